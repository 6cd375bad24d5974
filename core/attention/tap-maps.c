/* What a tap has kept, as maps with titles, and as raw values for `eval`. */
#include "attention/tap-private.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"

/* Where one map comes from; layer and head -1: averaged over several. */
typedef struct
{
  int    reading, step_slot, layer_slot, head_slot;
  int    layer, head, step;
  int    n_steps; /* summed up */
  double time;
} Origin;

/* The number of a slot; -1 when it stands for several. */
static int
get_number (const PmTapAxis *axis, int slot)
{
  return axis->mean && axis->n > 1 ? -1 : axis->numbers[slot];
}

static char *
make_reading_title (const PmTapPlan *plan, const PmReduction *reduction, int word)
{
  const char *title = _(reduction->title);

  if (word >= 0)
    return g_strdup_printf (_("“%s” — %s"), plan->words[word], title);
  if (plan->which == PM_WHICH_NULL)
    return g_strdup_printf (plan->has_prompt ? _("%s without the prompt") : _("%s without the class"), title);
  if (plan->which == PM_WHICH_DIFFERENCE)
    return g_strdup_printf (plan->has_prompt ? _("%s, what the prompt changes") : _("%s, what the class changes"), title);

  return g_strdup (title);
}

static char *
make_title (const Origin *origin, const char *what)
{
  int layer = origin->layer, head = origin->head, n = origin->n_steps;
  int t = (int) lround (origin->time);

  if (n > 1)
    {
      if (layer >= 0 && head >= 0)
        return g_strdup_printf (_("%s, layer %d, head %d, mean of %d steps"), what, layer, head, n);
      if (layer >= 0)
        return g_strdup_printf (_("%s, layer %d, mean of %d steps"), what, layer, n);
      if (head >= 0)
        return g_strdup_printf (_("%s, head %d, mean of %d steps"), what, head, n);
      return g_strdup_printf (_("%s, mean of %d steps"), what, n);
    }

  if (layer >= 0 && head >= 0)
    return g_strdup_printf (_("%s, layer %d, head %d, t %d"), what, layer, head, t);
  if (layer >= 0)
    return g_strdup_printf (_("%s, layer %d, t %d"), what, layer, t);
  if (head >= 0)
    return g_strdup_printf (_("%s, head %d, t %d"), what, head, t);
  return g_strdup_printf (_("%s, t %d"), what, t);
}

/* For file names: "received-null-s12-l05-h02", "word-cat-s12"; what is averaged is left out. */
static char *
make_id (const PmTapPlan *plan, const Origin *origin)
{
  const PmTapReading *reading = &plan->readings[origin->reading];
  GString            *id = g_string_new (reading->reduction->id);

  if (reading->word >= 0)
    g_string_append_printf (id, "-%s", plan->word_ids[reading->word]);
  if (plan->which == PM_WHICH_NULL)
    g_string_append (id, "-null");
  else if (plan->which == PM_WHICH_DIFFERENCE)
    g_string_append (id, "-difference");
  if (origin->step >= 0)
    g_string_append_printf (id, "-s%02d", origin->step);
  if (origin->layer >= 0)
    g_string_append_printf (id, "-l%02d", origin->layer);
  if (origin->head >= 0)
    g_string_append_printf (id, "-h%02d", origin->head);

  return g_string_free (id, FALSE);
}

/* values: [N] of all that the bytes hold. */
static PmMap *
make_map (PmTap *tap, const Origin *origin, GBytes *all, const float *values)
{
  const PmTapPlan   *plan = &tap->plan;
  const PmReduction *reduction = plan->readings[origin->reading].reduction;
  int                word = plan->readings[origin->reading].word;
  PmMap             *map = g_new0 (PmMap, 1);

  map->what = make_reading_title (plan, reduction, word);
  map->title = make_title (origin, map->what);
  map->id = make_id (plan, origin);
  map->reading = g_strdup (reduction->id);
  map->word = word >= 0 ? g_strdup (plan->words[word]) : NULL;
  map->layer = origin->layer;
  map->head = origin->head;
  map->step = origin->step;
  map->time = origin->time;
  map->grid_w = plan->grid_w;
  map->grid_h = plan->grid_h;
  map->is_signed = reduction->is_signed || plan->which == PM_WHICH_DIFFERENCE;
  map->group = origin->reading;
  map->values = (float *) values;
  map->owner = g_bytes_ref (all);
  pm_map_compute_stats (map->values, map->grid_w, map->grid_h, &map->stats);

  return map;
}

/* The maps of one reading in one step slot. */
static void
add_maps (PmTap *tap, GPtrArray *maps, Origin *origin, GBytes *all)
{
  const PmTapPlan *plan = &tap->plan;
  const PmReduction *reduction = plan->readings[origin->reading].reduction;
  gboolean           is_matrix = reduction->is_matrix;
  const PmTapAxis   *layers = is_matrix ? &plan->matrix_layers : &plan->layers;
  const PmTapAxis   *heads = is_matrix || reduction->is_carried ? &plan->matrix_heads : &plan->heads;
  const float       *values = g_bytes_get_data (all, NULL);

  values += origin->step_slot * plan->n_rows * plan->N + plan->readings[origin->reading].offset;
  for (int l = 0; l < layers->n_slots; l++)
    {
      gsize    first = l * pm_tap_plan_slot_size (plan, reduction);
      gboolean is_kept = is_matrix ? tap->has_solved[origin->step_slot]
                                   : *pm_tap_get_count (tap, plan->readings[origin->reading].kind, origin->step_slot, l) > 0;

      for (int h = 0; is_kept && h < heads->n_slots; h++)
        {
          origin->layer = get_number (layers, l);
          origin->head = get_number (heads, h);
          g_ptr_array_add (maps, make_map (tap, origin, all, values + first + (gsize) h * plan->N));
        }
    }
}

/* What was settled and solved so far, or the failure of it. */
static gboolean
conclude (PmTap *tap, PmJob *job, GError **error)
{
  if (! pm_job_check (job, error))
    return FALSE;

  pm_tap_settle (tap, job);
  pm_tap_catch_up (tap);
  if (tap->failure)
    {
      g_propagate_error (error, g_error_copy (tap->failure));
      return FALSE;
    }
  if (tap->plan.steps.mean && tap->plan.n_readings)
    pm_tap_average (tap, 0);

  return pm_tap_solve_sums (tap, job, error) && pm_tap_store_check (tap->store, error);
}

GPtrArray *
pm_tap_finish (PmTap *tap, PmJob *job, GError **error)
{
  const PmTapPlan *plan = &tap->plan;
  g_autoptr (GPtrArray) maps = g_ptr_array_new_with_free_func ((GDestroyNotify) pm_map_free);
  g_autoptr (GBytes) all = conclude (tap, job, error) ? pm_tap_store_share (tap->store, error) : NULL;

  if (! all)
    return NULL;

  for (int r = 0; r < plan->n_readings; r++)
    for (int s = 0; s < plan->steps.n_slots; s++)
      {
        if (! pm_job_check (job, error))
          return NULL;

        Origin origin = { .reading = r, .step_slot = s, .step = get_number (&plan->steps, s), .n_steps = tap->n_added_steps[s] };

        origin.time = origin.n_steps ? tap->time_sums[s] / origin.n_steps : 0.0;
        add_maps (tap, maps, &origin, all);
      }
  pm_maps_scale (maps);

  return g_steal_pointer (&maps);
}

static gboolean
set_not_kept (const char *reading, int step, int layer, GError **error)
{
  g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
               _("The reading “%s” of step %d and layer %d was not recorded; list it in what to show, without averages."),
               reading, step, layer);

  return FALSE;
}

gboolean
pm_tap_read (PmTap *tap, const char *reading, int step, int layer, float *out, GError **error)
{
  const PmTapPlan *plan = &tap->plan;
  int              step_slot = pm_tap_axis_find (&plan->steps, step), layer_slot = pm_tap_axis_find (&plan->layers, layer);
  int              r = 0;
  gboolean         is_matrix, is_kept;

  while (r < plan->n_readings && strcmp (plan->readings[r].reduction->id, reading) != 0)
    r++;

  if (r == plan->n_readings || step_slot < 0 || plan->steps.mean || ! plan->keep_all_items)
    return set_not_kept (reading, step, layer, error);
  if (! conclude (tap, NULL, error))
    return FALSE;

  is_matrix = plan->readings[r].reduction->is_matrix;
  if (is_matrix)
    is_kept = tap->has_solved[step_slot];
  else
    is_kept = layer_slot >= 0 && ! plan->layers.mean && (plan->readings[r].reduction->is_carried || ! plan->heads.mean)
              && *pm_tap_get_count (tap, plan->readings[r].kind, step_slot, layer_slot) > 0;
  if (! is_kept)
    return set_not_kept (reading, step, layer, error);

  memcpy (out, pm_tap_get_values (tap, r, step_slot, is_matrix ? 0 : layer_slot, 0, FALSE),
          pm_tap_plan_slot_size (plan, plan->readings[r].reduction) * sizeof (float));

  return TRUE;
}

gboolean
pm_tap_set_probe_layer (PmTap *tap, gboolean is_cross, int layer, GError **error)
{
  PmTapProbe   *probe = &tap->probes[is_cross ? 1 : 0];
  int           at = layer + (is_cross ? tap->n_layers : 0);
  const PmSite *site = layer >= 0 && layer < tap->n_layers && at < tap->n_sites ? &tap->sites[at] : NULL;
  gsize         n_probs;

  if (! site && is_cross && tap->n_sites == tap->n_layers)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("This model looks at no text by itself; choose the attention over the picture."));
      return FALSE;
    }
  if (! site)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("There is no layer %d; choose layers from 0 to %d."), layer,
                   tap->n_layers - 1);
      return FALSE;
    }

  n_probs = (gsize) tap->plan.n_items * site->n_heads * site->n_queries * site->n_keys;
  probe->probs = pm_tap_own_device_floats (tap, n_probs, error);
  if (! probe->probs)
    return FALSE;

  probe->rows = g_new (int, site->n_queries);
  g_ptr_array_add (tap->owned, probe->rows);
  for (int i = 0; i < site->n_queries; i++)
    probe->rows[i] = i;
  probe->site = site;
  probe->n_items = 0;

  return TRUE;
}

gboolean
pm_tap_read_probs (PmTap *tap, gboolean is_cross, float *out, GError **error)
{
  const PmTapProbe *probe = &tap->probes[is_cross ? 1 : 0];
  const PmSite     *site = probe->site;

  if (! probe->n_items)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("No layer's attention was recorded whole; choose the layer before the run."));
      return FALSE;
    }

  pm_backend_download (tap->backend, out, probe->probs,
                       (gsize) probe->n_items * site->n_heads * site->n_queries * site->n_keys * sizeof (float));

  return TRUE;
}
