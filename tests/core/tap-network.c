/* The small network behind the tests of the tap. */
#include "tap-network.h"

#include <math.h>
#include <string.h>

#include "nn/attention.h"

const double pm_test_times[N_STEPS] = { 1000, 600, 200 };

void
pm_test_network_init (PmTestNetwork *network)
{
  const PmSpan spans[] = { { .role = PM_ROLE_TEXT, .count = N_TEXT },
                           { .role = PM_ROLE_PICTURE, .first = N_TEXT, .count = N, .grid_w = GRID_W, .grid_h = GRID_H } };

  const char      *device = g_getenv ("PM_TEST_DEVICE");
  PmBackendOptions options = { .n_threads = 1, .precision = PM_PRECISION_F32 };

  *network = (PmTestNetwork) { .backend = pm_backend_open_with (device ? device : "ref", &options, NULL) };
  g_assert_nonnull (network->backend);
  network->P = g_new (double, N_STEPS *N_LAYERS *N_ITEMS *N_HEADS *TOKENS *TOKENS);

  for (int l = 0; l < N_LAYERS; l++)
    {
      PmSite *site = &network->sites[l];

      *site = (PmSite) { .layer = l, .kind = PM_SITE_JOINT, .n_heads = N_HEADS, .n_queries = TOKENS, .n_keys = TOKENS };
      site->n_query_spans = site->n_key_spans = 2;
      memcpy (site->query_spans, spans, sizeof spans);
      memcpy (site->key_spans, spans, sizeof spans);
    }
  for (int i = 0; i < N; i++)
    network->region[i] = i % 3 ? 0.0f : 0.25f + 0.05f * (float) i;
}

void
pm_test_network_clear (PmTestNetwork *network)
{
  pm_backend_close (network->backend);
  g_free (network->P);
}

PmTapOptions
pm_test_network_get_options (const PmTestNetwork *network)
{
  static const int recommended[] = { 1, 2 };

  return (PmTapOptions) { .backend = network->backend,
                          .sites = network->sites,
                          .n_sites = N_LAYERS,
                          .n_items = N_ITEMS,
                          .n_steps = N_STEPS,
                          .times = pm_test_times,
                          .recommended_layers = recommended,
                          .n_recommended_layers = 2,
                          .region = network->region,
                          .region_items = 1 };
}

double *
pm_test_network_get_P (const PmTestNetwork *network, int step, int layer, int item, int head)
{
  return network->P + ((((gsize) step * N_LAYERS + layer) * N_ITEMS + item) * N_HEADS + head) * TOKENS * TOKENS;
}

/* The whole matrices of one attention whose queries and keys are given. */
static void
define_P (const PmTestNetwork *network, int step, int layer, const float *q, const float *k)
{
  for (int item = 0; item < N_ITEMS; item++)
    for (int head = 0; head < N_HEADS; head++)
      for (int i = 0; i < TOKENS; i++)
        {
          double *row = pm_test_network_get_P (network, step, layer, item, head) + i * TOKENS, sum = 0;

          for (int j = 0; j < TOKENS; j++)
            {
              row[j] = 0;
              for (int c = 0; c < WIDTH; c++)
                row[j] += (double) q[((item * TOKENS + i) * N_HEADS + head) * WIDTH + c]
                          * k[((item * TOKENS + j) * N_HEADS + head) * WIDTH + c];
              sum += row[j] = exp (row[j]);
            }
          for (int j = 0; j < TOKENS; j++)
            row[j] /= sum;
        }
}

void
pm_test_network_run (PmTestNetwork *network, PmTap *tap, const int *n_items, gboolean null_first)
{
  const PmItemTag   tags[] = { PM_ITEM_CONDITION, PM_ITEM_NULL }, exchanged[] = { PM_ITEM_NULL, PM_ITEM_CONDITION };
  PmBackend        *backend = network->backend;
  gsize             n = N_ITEMS * TOKENS * N_HEADS * WIDTH;
  g_autofree float *q = g_new (float, n), *k = g_new (float, n);
  float            *memory = pm_backend_alloc (backend, 3 * n * sizeof (float), NULL); /* q, k and v, out */
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);

  g_assert_nonnull (memory);
  for (int step = 0; step < N_STEPS; step++)
    {
      pm_tap_begin_step (tap, step, null_first && n_items[step] > 1 ? exchanged : tags, n_items[step]);

      for (int layer = 0; layer < N_LAYERS; layer++)
        {
          PmAttention op = { .B = n_items[step],
                             .H = N_HEADS,
                             .d = WIDTH,
                             .Tq = TOKENS,
                             .Tk = TOKENS,
                             .q = pm_acts_f32 (memory),
                             .k = pm_acts_f32 (memory + n),
                             .v = pm_acts_f32 (memory + n),
                             .scale = 1.0f,
                             .out = pm_acts_f32 (memory + 2 * n) };

          for (gsize i = 0; i < n; i++)
            {
              q[i] = (float) g_rand_double_range (rand, -1.5, 1.5);
              k[i] = (float) g_rand_double_range (rand, -1.5, 1.5);
            }
          op.q_item = op.kv_item = op.out_item = TOKENS * N_HEADS * WIDTH;
          op.q_row = op.kv_row = op.out_row = N_HEADS * WIDTH;
          define_P (network, step, layer, q, k);
          pm_backend_upload (backend, memory, q, n * sizeof (float));
          pm_backend_upload (backend, memory + n, k, n * sizeof (float));
          pm_nn_attention (backend, tap, &network->sites[layer], &op);
        }
    }
  g_assert_true (pm_backend_finish (backend, NULL));
  pm_backend_free (backend, memory);
}

PmTap *
pm_test_tap_new (const PmTapOptions *options, const char *text, GError **error)
{
  PmShow show;
  PmTap *tap;

  pm_show_init (&show);
  g_assert_true (pm_show_parse (&show, text, NULL));
  tap = pm_tap_new (&show, options, error);
  pm_show_clear (&show);

  return tap;
}
