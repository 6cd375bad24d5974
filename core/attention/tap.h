/* The tap: decides before each attention what is to be streamed out of it, and keeps what came.
 *
 * Life: pm_tap_new once a run; pm_tap_begin_step before each denoising; nn/attention.c asks pm_tap_want at each site and
 * hands back pm_tap_collect after it; pm_tap_finish makes the maps. All memory is taken in pm_tap_new. */
#ifndef PM_TAP_H
#define PM_TAP_H

#include "attention/map.h"
#include "attention/show.h"
#include "attention/site.h"
#include "backend/backend.h"

typedef struct _PmTap PmTap;

/* A word of the prompt, or several. */
typedef struct
{
  const char  *name;
  const float *weights; /* [n_text] 1: the token belongs to it, 0: it does not */
} PmTapWord;

typedef struct
{
  PmBackend    *backend;
  const PmSite *sites; /* [n_sites]: of PmFamily.sites; copied */
  int           n_sites;
  int           n_items; /* the largest batch that will come */
  int           n_steps;
  const double *times; /* [n_steps] noise level x 1000; copied */
  const int    *recommended_layers;
  int           n_recommended_layers;
  const float  *region; /* [region_items, N]: picture tokens of each item (or one for all: region_items 1) that are the
                         * region, 0..1; NULL: none. Copied */
  int   region_items;
  const PmTapWord *words;   /* [n_words] to have maps of; copied */
  int              n_words;
  const float     *content; /* [n_text] 1: what the prompt says, 0: its end; NULL: there is no prompt. Copied */
  int              n_text;  /* tokens of the conditional half's text, the first of the text's span; those behind them are pad */
  gsize budget; /* bytes of memory, 0: 256 MiB; above it maps are kept as f16, then in a temporary file */

  /* For `eval`: keep every item of the batch instead of the half that show->which asks for (pm_tap_read needs it), and
   * let readings of the averaged matrix (`subject`) take the recommended layers and all heads, whatever show says. */
  gboolean keep_all_items;
  gboolean matrix_recommended;
} PmTapOptions;

/* Errors: PM_ERROR_USAGE for a layer, head or step that is not there, for a reading of a region without one, of words without
 * a prompt or of another half than the prompt's, and for too many patches to group; PM_ERROR_UNSUPPORTED for layers whose
 * tokens do not match; PM_ERROR_MEMORY. */
PmTap *pm_tap_new (const PmShow *show, const PmTapOptions *options, GError **error);
void   pm_tap_free (PmTap *tap);

/* What pm_tap_new would take and pm_tap_finish would make. */
typedef struct
{
  gsize        n_bytes;      /* of memory */
  gsize        n_device_bytes; /* of the backend's own, where it has some */
  gsize        n_file_bytes; /* of a temporary file: during the run, or at its end to spread f16 */
  int          n_maps;
  PmMapStorage storage;
} PmTapEstimate;

/* Allocates nothing. Errors as pm_tap_new; the estimate is set even above the budget. */
gboolean pm_tap_estimate (const PmShow *show, const PmTapOptions *options, PmTapEstimate *estimate, GError **error);

/* tags: [n_items] what each item of the coming batch is. */
void pm_tap_begin_step (PmTap *tap, int step, const PmItemTag *tags, int n_items);

/* Whether anything is recorded of the step that was begun; and whether all of it may wait for the step's end, so that backends
 * may remember the step's operations. */
gboolean pm_tap_is_recording (const PmTap *tap);
gboolean pm_tap_can_wait (const PmTap *tap);

/* Told instead of the attentions of the step when the backend has remembered them. */
void pm_tap_repeat (PmTap *tap);

/* Makes the maps of the step before, if they are still to be made: told when the backend has work for a while. */
void pm_tap_catch_up (PmTap *tap);

/* Whether anything is recorded at the step, so that it must be computed. */
gboolean pm_tap_records_step (const PmTap *tap, int step);

/* NULL when nothing is wanted here and now. Borrowed until the matching collect. */
const PmReduce *pm_tap_want (PmTap *tap, const PmSite *site);
void            pm_tap_collect (PmTap *tap, const PmSite *site);

/* The maps of the run, scaled and titled, in the order reading, word, step, layer, head; of PmMap. Takes the first item of each
 * tag; steps whose batch had no such item (which=null or difference where nothing was guided) make no map. NULL with
 * G_IO_ERROR_CANCELLED or PM_ERROR_FAILED (the spectral reading did not converge). */
GPtrArray *pm_tap_finish (PmTap *tap, PmJob *job, GError **error);

/* Raw values of one reading at one step and layer, for `eval`: [n_items, H, N] of all items that the tap was made for and the
 * chosen heads; [n_items, N] for `rollout`, which has no heads, and for `subject`, which has no layers either (ignored).
 * Copied into out. FALSE with PM_ERROR_USAGE when it was not kept (it needs keep_all_items and axes without mean), or as
 * pm_tap_finish. */
gboolean pm_tap_read (PmTap *tap, const char *reading, int step, int layer, float *out, GError **error);

/* Also keeps all of P of one layer, whatever show says: of its attention over the picture, or of its cross attention (of each
 * kind one layer may be probed). The last batch stays. PM_ERROR_USAGE, PM_ERROR_MEMORY. */
gboolean pm_tap_set_probe_layer (PmTap *tap, gboolean is_cross, int layer, GError **error);

/* out: [B, H, Tq, Tk] of the last batch's B items. FALSE with PM_ERROR_USAGE before the layer was passed. */
gboolean pm_tap_read_probs (PmTap *tap, gboolean is_cross, float *out, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmTap, pm_tap_free)

#endif
