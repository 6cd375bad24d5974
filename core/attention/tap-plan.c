/* The plan of a tap: resolves what shall be shown against the sites of a network, refuses what cannot be, and counts the
 * memory. Source of truth of the words: tap.h, show.h. */
#include "attention/tap-plan.h"

#include <math.h>

#include "base/error.h"
#include "base/i18n.h"
#include "attention/tap-store.h"

#define MAX_GROUPED 4096 /* patches whose averaged matrix is kept */
#define DEFAULT_BUDGET ((gsize) 256 << 20)

void
pm_tap_plan_clear (PmTapPlan *plan)
{
  g_free (plan->readings);
  g_strfreev (plan->words);
  g_strfreev (plan->word_ids);
  g_free (plan->layers.numbers);
  g_free (plan->heads.numbers);
  g_free (plan->steps.numbers);
  g_free (plan->matrix_layers.numbers);
  g_free (plan->matrix_heads.numbers);
  *plan = (PmTapPlan) { 0 };
}

int
pm_tap_axis_find (const PmTapAxis *axis, int number)
{
  for (int i = 0; i < axis->n; i++)
    if (axis->numbers[i] == number)
      return i;

  return -1;
}

int
pm_tap_axis_slot (const PmTapAxis *axis, int number)
{
  int at = pm_tap_axis_find (axis, number);

  return at > 0 && axis->mean ? 0 : at;
}

static gboolean
resolve_axis (PmTapAxis *out, const PmAxis *axis, const char *name, int n, const PmTapOptions *options, GError **error)
{
  out->numbers = pm_axis_resolve (axis, name, n, options->recommended_layers, options->n_recommended_layers, &out->n, error);
  out->mean = axis->mean;
  out->n_slots = axis->mean ? MIN (out->n, 1) : out->n;

  return out->numbers != NULL;
}

static gboolean
check_region (const PmReduction *reduction, const PmTapOptions *options, int N, GError **error)
{
  if (! options->region || options->region_items < 1)
    {
      g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                   _("The reading “%s” is of a region; select a part of the picture, or choose another reading."),
                   reduction->id);
      return FALSE;
    }

  for (int item = 0; item < options->region_items; item++)
    {
      double sum = 0.0;

      for (int i = 0; i < N; i++)
        sum += options->region[(gsize) item * N + i];

      if (! (sum > 0.0) || ! isfinite (sum))
        {
          g_set_error (error, PM_ERROR, PM_ERROR_USAGE,
                       _("The region for the reading “%s” is empty; select a part of the picture."), reduction->id);
          return FALSE;
        }
    }

  return TRUE;
}

static gboolean
add_reading (PmTapPlan *plan, const char *id, int n_words, GError **error)
{
  const PmReduction *reduction = pm_reduction_find (id);
  PmTapKind          kind;

  if (! reduction)
    {
      g_autofree char *known = g_strjoinv (", ", (char **) pm_reading_ids ());

      g_set_error (error, PM_ERROR, PM_ERROR_USAGE, _("There is no reading called “%s”; choose from: %s."), id, known);
      return FALSE;
    }

  kind = reduction->kind == PM_SITE_CROSS ? PM_TAP_TEXT : PM_TAP_PICTURE;
  for (int word = 0; word < (reduction->needs_words ? n_words : 1); word++)
    plan->readings[plan->n_readings++] = (PmTapReading) { reduction, kind, reduction->needs_words ? word : -1, 0, 0, 0 };
  plan->has_kind[kind] = TRUE;
  plan->needs_entropy[kind] |= reduction->needs_entropy;
  plan->needs_matrix |= reduction->is_matrix;
  if (reduction->is_carried)
    plan->n_carried_layers = plan->layers.numbers[plan->layers.n - 1] + 1;

  return TRUE;
}

/* What is carried from layer to layer meets the same tokens in all of them, as queries and as keys. */
static gboolean
check_carried (const PmTapPlan *plan, const PmSite *sites, GError **error)
{
  for (int layer = 0; layer < plan->n_carried_layers; layer++)
    if (sites[layer].n_queries != sites[layer].n_keys || ! pm_site_has_same_tokens (&sites[0], &sites[layer]))
      {
        g_set_error (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                     _("The reading “rollout” follows the picture through all layers, but layer %d looks at other tokens than "
                       "layer 0; choose another reading."),
                     layer);
        return FALSE;
      }

  return TRUE;
}

static gboolean
check_readings (const PmTapPlan *plan, const PmTapOptions *options, GError **error)
{
  for (int r = 0; r < plan->n_readings; r++)
    {
      const PmReduction *reduction = plan->readings[r].reduction;

      if (reduction->needs_region && ! check_region (reduction, options, plan->N, error))
        return FALSE;

      if (reduction->is_matrix && plan->N > MAX_GROUPED)
        {
          g_set_error (
              error, PM_ERROR, PM_ERROR_USAGE,
              _("The reading “%s” groups at most %d patches, but the picture has %d; choose a smaller picture or another "
                 "reading."),
              reduction->id, MAX_GROUPED, plan->N);
          return FALSE;
        }
    }

  return TRUE;
}

static gboolean
resolve_axes (PmTapPlan *plan, const PmShow *show, const PmTapOptions *options, GError **error)
{
  const PmAxis recommended = { .recommended = TRUE, .mean = TRUE }, all = { .all = TRUE, .mean = TRUE };
  PmAxis       layers = options->matrix_recommended ? recommended : show->layers;
  PmAxis       heads = options->matrix_recommended ? all : show->heads;
  int          n_heads = G_MAXINT; /* the fewest of a layer, so that a chosen head is in all */

  int          n_layers = pm_site_count_layers (options->sites, options->n_sites);

  for (int i = 0; i < options->n_sites; i++)
    n_heads = MIN (n_heads, options->sites[i].n_heads);
  n_heads = options->n_sites ? n_heads : 0;

  layers.mean = heads.mean = TRUE;

  return resolve_axis (&plan->layers, &show->layers, "layers", n_layers, options, error)
         && resolve_axis (&plan->heads, &show->heads, "heads", n_heads, options, error)
         && resolve_axis (&plan->steps, &show->steps, "steps", options->n_steps, options, error)
         && resolve_axis (&plan->matrix_layers, &layers, "layers", n_layers, options, error)
         && resolve_axis (&plan->matrix_heads, &heads, "heads", n_heads, options, error);
}

gboolean
pm_tap_plan_resolve (PmTapPlan *plan, const PmShow *show, const PmTapOptions *options, GError **error)
{
  int n_wanted = show->readings ? (int) g_strv_length (show->readings) : 0;

  if (! resolve_axes (plan, show, options, error))
    return FALSE;

  plan->which = show->which;
  plan->has_prompt = options->content != NULL;
  plan->keep_all_items = options->keep_all_items;
  plan->n_items = options->n_items;
  plan->n_sources = plan->keep_all_items ? plan->n_items : (plan->which == PM_WHICH_DIFFERENCE ? 2 : 1);
  plan->n_item_slots = plan->keep_all_items ? plan->n_items : 1;
  plan->has_matrix_copy = options->backend && pm_backend_get_class (options->backend)->download;
  plan->readings = g_new0 (PmTapReading, (gsize) n_wanted * MAX (options->n_words, 1) + 1);

  if (! plan->layers.n || ! plan->heads.n || ! plan->steps.n)
    return TRUE;

  for (int i = 0; i < n_wanted; i++)
    if (! add_reading (plan, show->readings[i], options->n_words, error))
      return FALSE;
  pm_tap_plan_assign_rows (plan);
  pm_tap_plan_name_words (plan, options);

  if (! pm_tap_plan_check_words (plan, show, options, error) || ! pm_tap_plan_add_sites (plan, options, error))
    return FALSE;

  for (int r = 0; r < plan->n_readings; r++)
    {
      const PmReduction *reduction = plan->readings[r].reduction;
      gsize              n = pm_tap_plan_count_layers (plan, reduction) * pm_tap_plan_slot_size (plan, reduction);

      plan->readings[r].offset = plan->n_rows * plan->N;
      plan->n_rows += n / MAX (plan->N, 1);
    }

  return check_carried (plan, options->sites, error) && check_readings (plan, options, error);
}

int
pm_tap_plan_count_layers (const PmTapPlan *plan, const PmReduction *reduction)
{
  return reduction->is_matrix ? 1 : plan->layers.n_slots;
}

int
pm_tap_plan_count_heads (const PmTapPlan *plan, const PmReduction *reduction)
{
  return reduction->is_matrix || reduction->is_carried ? 1 : plan->heads.n_slots;
}

gsize
pm_tap_plan_slot_size (const PmTapPlan *plan, const PmReduction *reduction)
{
  return (gsize) plan->n_item_slots * pm_tap_plan_count_heads (plan, reduction) * plan->N;
}

gsize
pm_tap_plan_matrix_size (const PmTapPlan *plan)
{
  return (gsize) plan->matrix_queries * plan->matrix_keys;
}

int
pm_tap_plan_count_maps (const PmTapPlan *plan)
{
  int n = 0;

  for (int r = 0; r < plan->n_readings; r++)
    {
      const PmReduction *reduction = plan->readings[r].reduction;

      n += plan->steps.n_slots * pm_tap_plan_count_layers (plan, reduction) * pm_tap_plan_count_heads (plan, reduction);
    }

  return n;
}

gsize
pm_tap_plan_count_device_bytes (const PmTapPlan *plan)
{
  const PmTapSizes *sizes = &plan->sizes;
  gsize             n = sizes->streams; /* floats of an item */

  for (int set = 0; set < 2; set++)
    n += sizes->query_weights[set] + sizes->key_weights[set];
  if (plan->needs_matrix)
    n += pm_tap_plan_matrix_size (plan);

  return n * plan->n_items * sizeof (float);
}

/* Kept values; copies of the weights that the backend is given, and of what was streamed out of items that are read; and of the
 * averaged matrix one to work on where the backend's is not our memory, and the sums over steps. */
gsize
pm_tap_plan_count_bytes (const PmTapPlan *plan)
{
  const PmTapSizes *sizes = &plan->sizes;
  gsize             items = (gsize) plan->n_items, n = plan->n_sources * sizes->streams + sizes->carried; /* floats */

  for (int set = 0; set < 2; set++)
    n += items * (sizes->query_weights[set] + sizes->key_weights[set]);
  if (plan->needs_matrix)
    n += pm_tap_plan_matrix_size (plan) * ((plan->has_matrix_copy ? 1 : 0) + (plan->steps.mean ? plan->n_sources : 0));

  return n * sizeof (float) + (plan->has_matrix_copy ? 0 : pm_tap_plan_count_device_bytes (plan))
         + pm_tap_store_count_bytes (plan->storage, plan->steps.n_slots, plan->n_rows, plan->N);
}

gboolean
pm_tap_plan_fit (PmTapPlan *plan, gsize budget, GError **error)
{
  budget = budget ? budget : DEFAULT_BUDGET;

  for (plan->storage = PM_MAP_STORAGE_F32; plan->storage < PM_MAP_STORAGE_FILE; plan->storage++)
    if (pm_tap_plan_count_bytes (plan) <= budget)
      return TRUE;
  if (pm_tap_plan_count_bytes (plan) <= budget)
    return TRUE;

  g_set_error (
      error, PM_ERROR, PM_ERROR_MEMORY,
      g_dngettext (GETTEXT_PACKAGE,
                   "Recording %d map takes %.1f MiB of memory for one step, but only %.1f MiB are allowed; choose a smaller "
                   "picture.",
                   "Recording %d maps takes %.1f MiB of memory for one step, but only %.1f MiB are allowed; choose fewer layers "
                   "or heads, or average over them.",
                   pm_tap_plan_count_maps (plan)),
      pm_tap_plan_count_maps (plan), ceil (pm_tap_plan_count_bytes (plan) / 104857.6) / 10.0, floor (budget / 104857.6) / 10.0);

  return FALSE;
}

gboolean
pm_tap_estimate (const PmShow *show, const PmTapOptions *options, PmTapEstimate *estimate, GError **error)
{
  PmTapPlan plan = { 0 };
  gboolean  is_good = pm_tap_plan_resolve (&plan, show, options, error);
  gboolean  fits = is_good && pm_tap_plan_fit (&plan, options->budget, error);

  *estimate = (PmTapEstimate) { 0 };
  if (is_good)
    {
      estimate->storage = plan.storage;
      estimate->n_bytes = pm_tap_plan_count_bytes (&plan);
      estimate->n_device_bytes = plan.has_matrix_copy ? pm_tap_plan_count_device_bytes (&plan) : 0;
      estimate->n_file_bytes = pm_tap_store_count_file_bytes (plan.storage, plan.steps.n_slots, plan.n_rows, plan.N);
      estimate->n_maps = pm_tap_plan_count_maps (&plan);
    }
  pm_tap_plan_clear (&plan);

  return fits;
}
