/* The small network of self and cross attentions behind the tests of words. */
#include "text-network.h"

#include <math.h>
#include <string.h>

static const int text_lengths[N_ITEMS] = { N_PROMPT, MAX_TEXT }; /* of the prompt, and of the other half's text */
static const float all_weights[][N_PROMPT]
    = { { 1 }, { 0, 1 }, { 0, 0, 1, 1 }, { 0, 0, 0, 0, 1 }, { 0, 0, 0, 0, 0, 1 }, { 0, 0, 1 }, { 0, 0, 0, 1 } };
static const float content[N_PROMPT] = { 1, 1, 1, 1, 1, 1, 0 };

const PmTapWord pm_test_words[N_ALL_WORDS]
    = { { "a", all_weights[0] },  { "red", all_weights[1] }, { "cat", all_weights[2] }, { ",", all_weights[3] },
        { "Up", all_weights[4] }, { "ca", all_weights[5] },  { "t", all_weights[6] } };

void
pm_test_text_network_init (PmTestTextNetwork *network, const char *device)
{
  const char      *chosen = g_getenv ("PM_TEST_DEVICE");
  PmBackendOptions options = { .n_threads = 3, .precision = PM_PRECISION_F32 };

  *network = (PmTestTextNetwork) { .backend = pm_backend_open_with (chosen ? chosen : device, &options, NULL),
                                   .counts = { N_PROMPT, MAX_TEXT } };
  g_assert_nonnull (network->backend);
  network->P = g_new0 (double, N_STEPS * 2 * N_LAYERS * N_ITEMS * N_HEADS * N * N);
  for (int l = 0; l < N_LAYERS; l++)
    {
      network->sites[l] = pm_site_new_self (l, N_HEADS, GRID_W, GRID_H);
      network->sites[N_LAYERS + l] = pm_site_new_cross (l, N_HEADS, GRID_W, GRID_H, MAX_TEXT);
    }
}

void
pm_test_text_network_clear (PmTestTextNetwork *network)
{
  pm_backend_close (network->backend);
  g_free (network->P);
}

PmTapOptions
pm_test_text_network_get_options (const PmTestTextNetwork *network)
{
  static const int recommended[] = { 1, 2 };

  return (PmTapOptions) { .backend = network->backend,
                          .sites = network->sites,
                          .n_sites = 2 * N_LAYERS,
                          .n_items = N_ITEMS,
                          .n_steps = N_STEPS,
                          .times = pm_test_times,
                          .recommended_layers = recommended,
                          .n_recommended_layers = 2,
                          .words = pm_test_words,
                          .n_words = N_WORDS,
                          .content = content,
                          .n_text = N_PROMPT };
}

double *
pm_test_text_network_get_P (const PmTestTextNetwork *network, int step, int site, int item, int head)
{
  return network->P + ((((gsize) step * 2 * N_LAYERS + site) * N_ITEMS + item) * N_HEADS + head) * N * N;
}

/* The whole matrices of one attention, whose queries and keys are given. */
static void
define_P (const PmTestTextNetwork *network, int step, int site, const PmAttention *op, const float *q, const float *k)
{
  for (int item = 0; item < N_ITEMS; item++)
    for (int head = 0; head < N_HEADS; head++)
      for (int i = 0; i < N; i++)
        {
          double *row = pm_test_text_network_get_P (network, step, site, item, head) + i * N, sum = 0;
          int     n = op->key_counts ? op->key_counts[item] : op->Tk;

          memset (row, 0, N * sizeof (double));
          for (int j = 0; j < n; j++)
            {
              for (int c = 0; c < WIDTH; c++)
                row[j] += (double) q[item * op->q_item + i * op->q_row + head * WIDTH + c]
                          * k[item * op->kv_item + j * op->kv_row + head * WIDTH + c];
              sum += row[j] = exp (row[j]);
            }
          for (int j = 0; j < n; j++)
            row[j] /= sum;
        }
}

/* As nn/attention.c does, but for steps that are repeated. */
static void
attend (PmTestTextNetwork *network, PmTap *tap, int s, PmAttention *op, gboolean is_repeated)
{
  const PmReduce *reduce = is_repeated ? NULL : pm_tap_want (tap, &network->sites[s]);

  if (reduce)
    {
      network->known[s] = *reduce;
      network->is_known[s] = TRUE;
    }
  op->reduce = ! is_repeated ? reduce : network->is_known[s] ? &network->known[s] : NULL;
  pm_backend_attention (network->backend, op);
  if (reduce)
    pm_tap_collect (tap, &network->sites[s]);
}

/* All steps; with null_first the other half leads the batch. */
static void
run (PmTestTextNetwork *network, PmTap *tap, gboolean null_first)
{
  const PmItemTag   tags[] = { PM_ITEM_CONDITION, PM_ITEM_NULL }, exchanged[] = { PM_ITEM_NULL, PM_ITEM_CONDITION };
  gsize             n = N_ITEMS * N * N_HEADS * WIDTH;
  g_autofree float *q = g_new (float, n), *k = g_new (float, n);
  float            *memory = pm_backend_alloc (network->backend, 3 * n * sizeof (float), NULL); /* q, k and v, out */
  gboolean          has_begun = FALSE;
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);

  g_assert_nonnull (memory);
  memset (network->is_known, 0, sizeof network->is_known); /* what another tap wanted is gone with it */
  for (int item = 0; item < N_ITEMS; item++)
    network->counts[item] = text_lengths[null_first ? N_ITEMS - 1 - item : item];

  for (int step = 0; step < N_STEPS; step++)
    {
      pm_tap_begin_step (tap, step, null_first ? exchanged : tags, N_ITEMS);
      gboolean is_repeated = network->remembers && has_begun && pm_tap_is_recording (tap) && pm_tap_can_wait (tap);
      for (int at = 0; at < 2 * N_LAYERS; at++) /* self, cross, self, ... */
        {
          int         s = at / 2 + (at % 2) * N_LAYERS;
          PmAttention op = { .B = N_ITEMS, .H = N_HEADS, .d = WIDTH, .Tq = N, .Tk = at % 2 ? MAX_TEXT : N,
                             .q = pm_acts_f32 (memory), .k = pm_acts_f32 (memory + n), .v = pm_acts_f32 (memory + n),
                             .scale = 1.0f, .out = pm_acts_f32 (memory + 2 * n), .key_counts = at % 2 ? network->counts : NULL };

          for (gsize i = 0; i < n; i++)
            {
              q[i] = (float) g_rand_double_range (rand, -1.5, 1.5);
              k[i] = (float) g_rand_double_range (rand, -1.5, 1.5);
            }
          op.q_item = op.out_item = N * N_HEADS * WIDTH;
          op.kv_item = (gsize) op.Tk * N_HEADS * WIDTH;
          op.q_row = op.kv_row = op.out_row = N_HEADS * WIDTH;
          define_P (network, step, s, &op, q, k);
          pm_backend_upload (network->backend, memory, q, n * sizeof (float));
          pm_backend_upload (network->backend, memory + n, k, n * sizeof (float));
          attend (network, tap, s, &op, is_repeated);
        }
      if (is_repeated)
        pm_tap_repeat (tap);
      if (step % 2 == 0) /* or never: then the next step does it */
        pm_tap_catch_up (tap);
      has_begun |= pm_tap_is_recording (tap);
      network->n_repeated += is_repeated;
    }
  g_assert_true (pm_backend_finish (network->backend, NULL));
  pm_backend_free (network->backend, memory);
}

/* The maps of one run; NULL with an error that the caller does not expect. */
GPtrArray *
pm_test_text_network_record (PmTestTextNetwork *network, const PmTapOptions *options, const char *text, gboolean null_first)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PmTap)  tap = pm_test_tap_new (options, text, &error);
  GPtrArray         *maps;

  g_assert_no_error (error);
  run (network, tap, null_first);
  maps = pm_tap_finish (tap, NULL, &error);
  g_assert_no_error (error);

  return maps;
}
