/* Which words named a place in a picture: words ranked by how much the patches there look at them. */
#ifndef PM_RUN_WORDS_AT_H
#define PM_RUN_WORDS_AT_H

#include "model/model.h"
#include "request/request.h"

typedef struct
{
  char  *word;
  double value; /* mean of its maps over the place */
  double mean;  /* the same over the whole picture: what it would be if the place were any */
} PmWordAt;

/* The words of maps (of PmMap; those of the reading word-share, else of word; of several maps of a word the mean) in the disc
 * around (x, y), in pixels of the picture of width x height that the maps are of: largest value first, then in the order of the
 * maps. A disc that meets no middle of a patch's 64 parts is the patch it lies in. Of PmWordAt, which free themselves.
 * PM_ERROR_USAGE when the place is outside, or no map is of a word. */
GPtrArray *pm_words_at (GPtrArray *maps, int width, int height, double x, double y, double radius, GError **error);

/* The same of a place that a mask [height, width] marks, 0..255, over the whole picture. PM_ERROR_USAGE when it marks nothing. */
GPtrArray *pm_words_in (GPtrArray *maps, const guint8 *mask, int width, int height, GError **error);

/* The same questions before there are maps: whether the place is one. */
gboolean pm_words_at_check (int width, int height, double x, double y, double radius, GError **error);
gboolean pm_words_in_check (const guint8 *mask, int width, int height, GError **error);

/* A request that has the model look at a picture, its own or not, for pm_words_at: noised half the way, and looked at while the
 * noise goes again; only maps come of it. picture [height, width, 3] 0..1 is scaled to about as many pixels as the model was
 * trained with. PM_ERROR_USAGE for an empty prompt or picture, PM_ERROR_MEMORY; what the model lacks is told by pm_generate. */
PmRequest *pm_words_at_request (PmModel *model, const char *prompt, const float *picture, int width, int height, GError **error);

#endif
