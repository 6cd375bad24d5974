/* What the files of the family `pixart` share: pixart-dialect.c knows how files name the tensors, pixart.c reads a checkpoint,
 * pixart-condition.c turns times into modulations, pixart-text.c what is said in words into keys and values, pixart-run.c runs
 * the blocks. */
#ifndef PM_FAMILY_PIXART_H
#define PM_FAMILY_PIXART_H

#include "family/expected.h"
#include "family/trunk.h"

/* Layers of a block. Where one layer holds several with their rows below one another, the later ones have no name. */
typedef enum
{
  PM_PIXART_Q,
  PM_PIXART_K,
  PM_PIXART_V,
  PM_PIXART_PROJ,
  PM_PIXART_CROSS_Q,
  PM_PIXART_CROSS_K,
  PM_PIXART_CROSS_V,
  PM_PIXART_CROSS_PROJ,
  PM_PIXART_FC1,
  PM_PIXART_FC2,
  PM_PIXART_N_LAYERS
} PmPixartLayer;

/* The layers outside the blocks; the last four only in networks that are told the picture's size. */
typedef enum
{
  PM_PIXART_EMBED,
  PM_PIXART_TIME0,
  PM_PIXART_TIME2,
  PM_PIXART_MODULATION,
  PM_PIXART_CAPTION1,
  PM_PIXART_CAPTION2,
  PM_PIXART_FINAL,
  PM_PIXART_SIZE0,
  PM_PIXART_SIZE2,
  PM_PIXART_ASPECT0,
  PM_PIXART_ASPECT2,
  PM_PIXART_N_ENDS
} PmPixartEnd;

/* A way to write the same network. */
typedef struct
{
  const char *id;
  const char *ends[PM_PIXART_N_ENDS];     /* without ".weight" and ".bias" */
  const char *block;                      /* with %d and %s: layer and name of PmPixartLayer or table */
  const char *layers[PM_PIXART_N_LAYERS];
  const char *table;                      /* of a block, [6, D] */
  const char *final_table;                /* [2, D] */
  const char *position;                   /* the table of positions of the trained size; NULL: not stored */
  const char *null_text;                  /* what stands for no text, [tokens, E]; NULL: not stored */
  const char *variants[4];                /* tensors of a block that belong to networks of another build; NULL-terminated */
} PmPixartDialect;

/* Letters: B items; T tokens of the picture; S text tokens, E their width; D width; L layers; H heads; F width of the MLP. */
struct _PmNetwork
{
  PmCheckpoint          *checkpoint; /* borrowed */
  const PmPixartDialect *dialect;
  PmNetworkInfo          info;
  int                    F;
  gboolean               has_size;            /* it is told the picture's size */
  double                 base, interpolation; /* of positions, see nn/position.h */
  float                  eps;                 /* of the norms in blocks */
};

typedef struct
{
  PmLayer layers[PM_PIXART_N_LAYERS];
} PmPixartBlock;

/* Modulations of a window of R times; the backend's memory. */
typedef struct
{
  PmExpected expected;
  float     *size;          /* [D] what the picture's size adds to c, host memory; NULL: it is not told */
  float     *time, *hidden; /* [R, 256], [R, D] */
  float     *c, *active;    /* [R, D], and SiLU of it */
  float     *chunks;        /* [R, 6, D] */
  float     *tables;        /* [L, 6, D], then [2, D] of the final layer */
  float     *current;       /* [B, 6, D] chunks of the batch, then [B, D] of c */
  float     *block;         /* [B, 6, D] the chunks and the table of the block that is run */
} PmPixartConditions;

/* One text that items are told. */
typedef struct
{
  PmItemTag  tag;
  int        n;           /* tokens */
  gboolean   is_edited;
  float     *key_bias;    /* [max_text] host memory, as the next two; NULL unless edited */
  int       *key_region;  /* [max_text] */
  float     *region_bias; /* [n_regions, T] */
  int        n_regions;
} PmPixartTold;

/* Texts in slots, in the order in which they were told; R regions, the most of a text. */
typedef struct
{
  PmPixartTold *told;                  /* [max_items] */
  int           n_told;
  float        *text;                  /* [S, E] the backend's memory, as the next */
  PmActs        hidden, caption;       /* [S, D] */
  PmActs        kv;                    /* [L, max_items, S, 2, D] keys, values */
  float        *key_bias;              /* [B, S] of the batch */
  float        *region_bias;           /* [B, R, T], allocated when there are regions */
  int          *key_region;            /* [B, S] of the batch */
  int          *counts;                /* [B] host memory */
  int           n_regions;
  PmLogitEdit   edit;                  /* of the batch */
  gboolean      has_edit;
  gsize         first, step;           /* slots of the batch's items: first + b * step */
  int           n_changes;             /* how often texts were told */
} PmPixartTexts;

struct _PmPrepared
{
  PmNetwork         *network;
  PmTrunk            trunk;
  PmLayer            ends[PM_PIXART_N_ENDS];
  PmPixartBlock     *blocks; /* [L] */
  PmPixartConditions conditions;
  PmPixartTexts      texts;
};

/* The dialect whose names the checkpoint has; NULL: none. */
const PmPixartDialect *pm_pixart_dialect_find (PmCheckpoint *checkpoint);

/* The name of a block's layer; NULL where an earlier one holds it too. Free with g_free. */
char *pm_pixart_dialect_name (const PmPixartDialect *dialect, int block, PmPixartLayer layer);

/* The name of a block's table. Free with g_free. */
char *pm_pixart_dialect_table (const PmPixartDialect *dialect, int block);

/* Whether the network has the layer outside the blocks. */
gboolean pm_pixart_has_end (const PmNetwork *network, PmPixartEnd end);

gsize    pm_pixart_conditions_size (const PmNetwork *network, const PmShape *shape); /* bytes */
void     pm_pixart_conditions_init (PmPrepared *prepared, gpointer memory);
gboolean pm_pixart_conditions_fill (PmPrepared *prepared, GError **error); /* tables and size, when layers are there */
void     pm_pixart_conditions_clear (PmPrepared *prepared);

/* See PmFamily.expect. */
gboolean pm_pixart_expect (PmPrepared *prepared, int n, const float *t, const int *y, PmJob *job, GError **error);

/* Brings the batch's conditions to their place; FALSE when cancelled. */
gboolean pm_pixart_conditions_set (PmPrepared *prepared, const PmDenoise *in, GError **error);

/* [B, 6, D] of a block, or for layer L [B, 2, D] of the final layer, of the batch that was set; until the next call. */
const float *pm_pixart_conditions_get (PmPrepared *prepared, int B, int layer);

gsize    pm_pixart_texts_size (const PmNetwork *network, const PmShape *shape, PmDtype acts); /* bytes */
void     pm_pixart_texts_init (PmPrepared *prepared, gpointer memory);
void     pm_pixart_texts_clear (PmPrepared *prepared);
gboolean pm_pixart_set_text (PmPrepared *prepared, PmItemTag tag, const float *embedding, int n, const PmTextEdit *edit,
                             PmJob *job, GError **error);

/* Makes ready what the items of a batch are told; FALSE with PM_ERROR_MEMORY. *key: another for other operations. */
gboolean pm_pixart_texts_begin (PmPrepared *prepared, const PmDenoise *in, guint64 *key, GError **error);

/* x += the cross attention of a layer. */
void pm_pixart_texts_attend (PmPrepared *prepared, const PmDenoise *in, int layer);

PmSite     *pm_pixart_sites (PmNetwork *network, const PmShape *shape, int *n_sites);
PmPrepared *pm_pixart_prepare (PmNetwork *network, PmBackend *backend, const PmShape *shape, GError **error);
void        pm_pixart_release (PmPrepared *prepared);
gboolean    pm_pixart_denoise (PmPrepared *prepared, const PmDenoise *in, float *out, GError **error);
gsize       pm_pixart_work_bytes (PmNetwork *network, const PmShape *shape, PmDtype acts);

#endif
