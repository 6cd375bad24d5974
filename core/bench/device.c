/* The bench on a device with a memory of its own: whole steps of DiT-XL/2 beside the floor, which is their operations at the rate
 * of one large product in the same run and type; what recording costs; and how long it takes from a file to the first step.
 * A step begins and ends on the host, as a sampler's does: x is sent, the prediction is fetched. */
#include "bench/net.h"

#include <math.h>

#include "base/i18n.h"
#include "base/random.h"

#define SIDE 8192      /* of the product; fills the largest cards */
#define TINY_SIDE 64
#define WARM_STEPS 4   /* the first ones choose algorithms and are remembered as graphs */

typedef struct
{
  const char *name;
  PmBenchSize size;
  int         B;
  gboolean    with_maps;
} Case;

static const Case cases[] = { { "DiT-XL/2 256 px, batch 2", PM_BENCH_XL (32), 2, TRUE },
                              { "DiT-XL/2 512 px, batch 2", PM_BENCH_XL (64), 2, TRUE },
                              { "DiT-XL/2 256 px, batch 16", PM_BENCH_XL (32), 16, FALSE },
                              { "DiT-XL/2 512 px, batch 16", PM_BENCH_XL (64), 16, FALSE } };
static const PmBenchSize tiny = { 2, 64, 2, 8 };

static const char *const type_names[] = { "f32", "f16", "bf16" }; /* of PmDtype */

/* The product's operands: x as the device makes it itself, of y = x w with random numbers, so that it has its type. */
typedef struct
{
  PmBackend *backend;
  int        side;
  float     *host;    /* [side, side] */
  char      *raw, *x, *y;
  PmWeight   weight;
} Product;

static void
product_clear (Product *self)
{
  if (self->weight.owned || self->weight.data)
    pm_backend_release (self->backend, &self->weight);
  pm_backend_free (self->backend, self->raw);
  pm_backend_free (self->backend, self->x);
  pm_backend_free (self->backend, self->y);
  g_free (self->host);
}

static gboolean
product_init (Product *self, PmBackend *backend, int side, GError **error)
{
  gsize    n = (gsize) side * side, n_drawn = MIN (n, (gsize) 1 << 22);
  gsize    size = pm_dtype_size (pm_backend_get_activation_dtype (backend));
  PmTensor tensor = { .name = "w", .dtype = PM_DTYPE_F32, .rank = 2, .shape = { side, side }, .n_elements = n };
  float    scale = sqrtf (12.f / side);
  PmRandom random;

  *self = (Product) { .backend = backend, .side = side, .host = g_new (float, n) };
  pm_random_init (&random, 1);
  pm_random_uniform (&random, n_drawn, self->host);
  for (gsize i = 0; i < n; i++)
    self->host[i] = i < n_drawn ? (self->host[i] - 0.5f) * scale : self->host[i - n_drawn];
  tensor.data = self->host;
  if (! pm_backend_prepare (backend, &tensor, &self->weight, error)
      || ! (self->raw = pm_backend_alloc (backend, n * sizeof (float), error))
      || ! (self->x = pm_backend_alloc (backend, n * size, error)) || ! (self->y = pm_backend_alloc (backend, n * size, error)))
    return FALSE;
  for (gsize i = 0; i < n; i++)
    self->host[i] /= scale;
  pm_backend_upload (backend, self->raw, self->host, n * sizeof (float));
  return TRUE;
}

static void
product_run (const Product *self, PmActs x, char *y)
{
  const PmLinear op = { .M = self->side, .N = self->side, .K = self->side, .x = x, .x_stride = self->side, .w = &self->weight,
                        .rows_per_item = self->side, .y = { y, pm_backend_get_activation_dtype (self->backend) },
                        .y_stride = self->side };
  pm_backend_linear (self->backend, &op);
}

/* Operations per second, the best of some stretches of several products each; 0 with an error. */
static double
measure_product (PmBackend *backend, gboolean is_tiny, GError **error)
{
  const int side = is_tiny ? TINY_SIDE : SIDE, n = is_tiny ? 1 : 8;
  Product   product;
  double    best = 0;
  gboolean  ok = product_init (&product, backend, side, error);

  if (ok)
    product_run (&product, pm_acts_f32 ((const float *) product.raw), product.x);
  for (int i = 0; ok && i < 6; i++)
    {
      ok = pm_backend_finish (backend, error);
      double start = pm_bench_now ();
      for (int k = 0; ok && k < n; k++)
        product_run (&product, (PmActs) { product.x, pm_backend_get_activation_dtype (backend) }, product.y);
      ok = ok && pm_backend_finish (backend, error);
      best = MAX (best, n * 2.0 * side * side * side / (pm_bench_now () - start));
    }
  product_clear (&product);
  return ok ? best : 0;
}

/* Steps without maps and with them in turns; the medians. recorded < 0: none. */
static gboolean
time_steps (PmBench *bench, const Case *c, PmBenchNet *net, double *plain, double *recorded, GError **error)
{
  int               n = bench->is_quick ? 8 : PM_BENCH_STEPS;
  gsize             n_bytes;
  double            seconds[2][PM_BENCH_STEPS];
  g_autoptr (PmTap) tap = c->with_maps ? pm_bench_net_record (net, bench->backend, &n_bytes, error) : NULL;

  if (c->with_maps && ! tap)
    return FALSE;
  for (int i = -WARM_STEPS; i < n; i++)
    for (int k = 0; k < (tap ? 2 : 1); k++)
      {
        double taken = pm_bench_net_step (net, k ? tap : NULL, MAX (i, 0), bench->job, error);
        if (taken < 0)
          return FALSE;
        if (i >= 0)
          seconds[k][i] = taken;
      }
  *plain = pm_bench_median (seconds[0], n);
  *recorded = tap ? pm_bench_median (seconds[1], n) : -1;
  return TRUE;
}

static gboolean
run_case (PmBench *bench, PmBackend *backend, const Case *c, const char *type, double rate, gboolean is_first, GError **error)
{
  const PmBenchOptions *options = bench->options;
  PmBenchNet            net = { 0 };
  double                plain, recorded, start = pm_bench_now (), first;
  g_autofree char      *name = g_strdup_printf ("%s, %s: one step", c->name, type);
  g_autofree char      *maps = g_strdup_printf ("%s, %s, all maps (aim 1.10)", c->name, type);

  gboolean ok = pm_bench_net_open (&net, backend, options->is_tiny ? &tiny : &c->size,
                                   is_first && ! options->is_tiny ? options->weights : NULL, c->B, error)
                && (first = pm_bench_net_step (&net, NULL, 0, bench->job, error)) >= 0;
  if (ok && is_first)
    pm_bench_row (bench, options->weights ? "DiT-XL/2 256 px: from a file to the end of the first step"
                                          : "DiT-XL/2 256 px: from hashed weights to the end of the first step",
                  pm_bench_now () - start, "s", -1, NULL);
  ok = ok && pm_bench_net_expect (&net, bench->job, error) && time_steps (bench, c, &net, &plain, &recorded, error);
  if (ok)
    pm_bench_row (bench, name, plain, "s", pm_bench_net_flops (&net) / plain / rate, _("the product's rate"));
  if (ok && recorded >= 0)
    pm_bench_row (bench, maps, recorded, "s", recorded / plain, _("the plain step"));
  pm_bench_net_close (&net);
  return ok;
}

static PmBackend *
open_device (PmBench *bench, GError **error)
{
  const PmBenchOptions  *options = bench->options;
  const PmBackendOptions own = { .n_threads = options->n_threads, .precision = options->precision };
  g_auto (GStrv)         devices = pm_device_list ();
  const char            *name = options->device ? options->device : g_strv_length (devices) > 1 ? devices[1] : "cuda";

  return pm_backend_open_with (name, &own, error);
}

gboolean
pm_bench_run_device (PmBench *bench, GError **error)
{
  g_autoptr (GError)    missing = NULL;
  g_autoptr (PmBackend) backend = open_device (bench, &missing);

  if (! backend && (bench->is_one || bench->options->device))
    {
      g_propagate_error (error, g_steal_pointer (&missing));
      return FALSE;
    }
  if (! backend)
    return TRUE;

  PmDtype          dtype = pm_backend_get_activation_dtype (backend);
  const char      *type = dtype < G_N_ELEMENTS (type_names) ? type_names[dtype] : "?";
  double           rate = measure_product (backend, bench->options->is_tiny, error);
  g_autofree char *name = g_strdup_printf ("%s: a product of 8192, %s", pm_backend_get_name (backend), type);

  if (rate == 0)
    return FALSE;
  pm_backend_set_job (backend, bench->job);
  pm_bench_row (bench, name, rate / 1e12, "TFLOP/s", -1, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    if (! run_case (bench, backend, &cases[i], type, rate, i == 0, error))
      return FALSE;
  g_auto (GStrv)   fallbacks = pm_backend_get_fallbacks (backend);
  g_autofree char *list = g_strjoinv (", ", fallbacks);
  g_autofree char *left = g_strdup_printf ("DiT-XL/2 operations left to ref: %s", fallbacks[0] ? list : "none");
  pm_bench_row (bench, left, g_strv_length (fallbacks), "", -1, NULL);
  return TRUE;
}
