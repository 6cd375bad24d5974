/* What families read from the shapes of tensors in the same way, each checked against the configuration. */
#ifndef PM_FAMILY_SHAPES_H
#define PM_FAMILY_SHAPES_H

#include "family/family.h"

#define PM_MAX_LAYERS 1024
#define PM_MAX_WIDTH 65536

/* Width, channels and patch from the convolution that cuts a picture into patches; layer without ".weight". */
gboolean pm_shapes_read_embedder (PmCheckpoint *checkpoint, const char *layer, PmNetworkInfo *info, GError **error);

/* Heads from the configuration, or from the published widths. */
gboolean pm_shapes_read_heads (const PmConfig *config, PmNetworkInfo *info, GError **error);

/* Channels out from the final layer, and what they mean. */
gboolean pm_shapes_read_prediction (PmCheckpoint *checkpoint, const char *layer, const PmConfig *config, PmNetworkInfo *info,
                                    GError **error);

/* Blocks that have the layer `counted`, into info, and the MLP's width from its first layer. block: a name with %d and %s, the
 * block and the layer, without ".weight". */
gboolean pm_shapes_count_blocks (PmCheckpoint *checkpoint, const char *block, const char *counted, const char *first_of_mlp,
                                 PmNetworkInfo *info, int *mlp_width, GError **error);

/* Whether all blocks have these layers, [rows, columns] each; layers that are NULL are left out. */
gboolean pm_shapes_check_blocks (PmCheckpoint *checkpoint, const char *block, const char *const *layers, int n_layers,
                                 const gsize (*shapes)[2], const PmNetworkInfo *info, GError **error);

/* A number that the configuration says (0: not said), and what the tensors say. */
typedef struct
{
  const char *key;
  int         said, is;
} PmShapeFact;

/* What diffusers' configuration says besides must be what the tensors say: what every family has, and `more`. */
gboolean pm_shapes_check_config (PmCheckpoint *checkpoint, const PmConfig *config, const PmNetworkInfo *info,
                                 const PmShapeFact *more, gsize n_more, GError **error);

/* The configuration's, or `published` of four. */
int pm_shapes_guidance_channels (const PmConfig *config, const PmNetworkInfo *info, int published);

#endif
