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

/* The attention of a layer over the patches of a picture, and of those to n_text tokens of a text. */
PmSite pm_site_new_self (int layer, int n_heads, int grid_w, int grid_h);
PmSite pm_site_new_cross (int layer, int n_heads, int grid_w, int grid_h, int n_text);

/* The first span of that role; NULL when there is none. */
const PmSpan *pm_site_find_query_span (const PmSite *site, PmRole role);
const PmSpan *pm_site_find_key_span (const PmSite *site, PmRole role);

/* How many layers a list of sites has: those over the picture lead it, the cross attentions follow. */
int pm_site_count_layers (const PmSite *sites, int n_sites);

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
