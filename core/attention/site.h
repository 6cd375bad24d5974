/* Where an attention happens in a network, and what its tokens are. */
#ifndef PM_SITE_H
#define PM_SITE_H

#include <glib.h>

typedef enum
{
  PM_SITE_SELF,
  PM_SITE_CROSS,
  PM_SITE_JOINT
} PmSiteKind;

typedef enum
{
  PM_ROLE_PICTURE,
  PM_ROLE_REFERENCE,
  PM_ROLE_TEXT,
  PM_ROLE_CONCEPT,
  PM_ROLE_PAD,
  PM_ROLE_REGISTER
} PmRole;

/* A run of tokens of one role. grid_w, grid_h: of picture and reference spans (count = grid_w * grid_h, row-major). */
typedef struct
{
  PmRole role;
  int    first, count;
  int    grid_w, grid_h;
  int    source; /* which of several references or prompts */
} PmSpan;

#define PM_MAX_SPANS 4

typedef struct
{
  int        layer;
  PmSiteKind kind;
  int        n_heads;
  int        n_queries, n_keys;
  PmSpan     query_spans[PM_MAX_SPANS];
  int        n_query_spans;
  PmSpan     key_spans[PM_MAX_SPANS];
  int        n_key_spans;
} PmSite;

/* The first span of that role; NULL when there is none. */
const PmSpan *pm_site_find_query_span (const PmSite *site, PmRole role);
const PmSpan *pm_site_find_key_span (const PmSite *site, PmRole role);

/* Are the tokens of both the same, query by query and key by key? */
gboolean pm_site_has_same_tokens (const PmSite *a, const PmSite *b);

/* What an item of a batch stands for. */
typedef enum
{
  PM_ITEM_CONDITION,
  PM_ITEM_NULL,
  PM_ITEM_NEGATIVE
} PmItemTag;

#endif
