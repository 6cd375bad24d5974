/* See net.h. One list of tensors serves both kinds of weights: the text of a hash file, and the header of a
 * safetensors file whose data is a hole. */
#include "bench/net.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/random.h"

#define CHANNELS 4
#define CLASSES 1000

typedef struct
{
  GString *json;
  const char *dtype;
  gboolean is_file; /* safetensors, not hashed */
  guint64  n_bytes; /* of data so far */
} Writer;

/* A tensor of the shape "8, 3, ...", of zeros behind the last one when they are a file's. */
static void
add_tensor (Writer *writer, const char *key, const char *shape, double scale)
{
  g_auto (GStrv) sides = g_strsplit (shape, ",", 0);
  guint64 first = writer->n_bytes, n = sizeof (float);
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  for (int i = 0; sides[i]; i++)
    n *= g_ascii_strtoull (g_strstrip (sides[i]), NULL, 10);
  writer->n_bytes += n;
  g_string_append_printf (writer->json, "%s\n\"%s\": {\"shape\": [%s], \"dtype\": \"%s\", ",
                          g_str_has_suffix (writer->json->str, "{") ? "" : ",", key, shape, writer->dtype);
  if (writer->is_file)
    g_string_append_printf (writer->json, "\"data_offsets\": [%" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT "]}", first,
                            writer->n_bytes);
  else
    g_string_append_printf (writer->json, "\"scale\": %s}", g_ascii_dtostr (number, sizeof number, scale));
}

static void
add_linear (Writer *writer, const char *key, int rows, int columns)
{
  g_autofree char *weight = g_strconcat (key, ".weight", NULL);
  g_autofree char *bias = g_strconcat (key, ".bias", NULL);
  g_autofree char *shape = g_strdup_printf ("%d, %d", rows, columns);
  g_autofree char *length = g_strdup_printf ("%d", rows);

  add_tensor (writer, weight, shape, sqrt (3.0 / columns));
  add_tensor (writer, bias, length, 0.1);
}

void
pm_bench_add_tensor (GString *json, const char *key, const char *shape, double scale, const char *dtype)
{
  Writer writer = { .json = json, .dtype = dtype };
  add_tensor (&writer, key, shape, scale);
}

void
pm_bench_add_linear (GString *json, const char *key, int rows, int columns, const char *dtype)
{
  Writer writer = { .json = json, .dtype = dtype };
  add_linear (&writer, key, rows, columns);
}

/* The tensors of a DiT with patch 2, learned sigma and ImageNet's classes. */
static void
add_network (Writer *writer, const PmBenchSize *size)
{
  int D = size->width;
  const struct
  {
    const char *key;
    int rows, columns;
  } linears[] = { { "attn.qkv", 3 * D, D },
                  { "attn.proj", D, D },
                  { "mlp.fc1", 4 * D, D },
                  { "mlp.fc2", D, 4 * D },
                  { "adaLN_modulation.1", 6 * D, D } };
  g_autofree char *patch_shape = g_strdup_printf ("%d, %d, 2, 2", D, CHANNELS);
  g_autofree char *width = g_strdup_printf ("%d", D);
  g_autofree char *positions = g_strdup_printf ("1, %d, %d", size->side / 2 * (size->side / 2), D);
  g_autofree char *classes = g_strdup_printf ("%d, %d", CLASSES + 1, D);

  add_tensor (writer, "x_embedder.proj.weight", patch_shape, 0.4);
  add_tensor (writer, "x_embedder.proj.bias", width, 0.1);
  add_tensor (writer, "pos_embed", positions, 1);
  add_linear (writer, "t_embedder.mlp.0", D, 256);
  add_linear (writer, "t_embedder.mlp.2", D, D);
  add_tensor (writer, "y_embedder.embedding_table.weight", classes, 1);
  for (int i = 0; i < size->depth; i++)
    for (gsize k = 0; k < G_N_ELEMENTS (linears); k++)
      {
        g_autofree char *key = g_strdup_printf ("blocks.%d.%s", i, linears[k].key);
        add_linear (writer, key, linears[k].rows, linears[k].columns);
      }
  add_linear (writer, "final_layer.adaLN_modulation.1", 2 * D, D);
  add_linear (writer, "final_layer.linear", 2 * 2 * 2 * CHANNELS, D);
}

gboolean
pm_bench_net_write (const PmBenchSize *size, const char *path, GError **error)
{
  Writer writer = { .json = g_string_new ("{"), .dtype = "F32", .is_file = TRUE };
  FILE *file = g_fopen (path, "wb");

  add_network (&writer, size);
  g_string_append_c (writer.json, '}');
  while (writer.json->len % 8 != 0)
    g_string_append_c (writer.json, ' ');
  guint64 length = GUINT64_TO_LE (writer.json->len);
  gboolean ok = file && fwrite (&length, sizeof length, 1, file) == 1
                && fwrite (writer.json->str, writer.json->len, 1, file) == 1 && fflush (file) == 0
                && ftruncate (fileno (file), (off_t) (sizeof length + writer.json->len + writer.n_bytes)) == 0;
  if (file)
    ok = fclose (file) == 0 && ok;
  g_string_free (writer.json, TRUE);
  if (! ok)
    g_set_error (error, PM_ERROR, PM_ERROR_IO, _("“%s” could not be written; see whether there is room for temporary files."),
                 path);
  return ok;
}

void
pm_bench_net_close (PmBenchNet *net)
{
  if (net->prepared)
    net->family->release (net->prepared);
  if (net->network)
    net->family->free (net->network, &net->info);
  g_clear_pointer (&net->checkpoint, pm_checkpoint_free);
  g_clear_pointer (&net->config, pm_config_free);
  g_clear_pointer (&net->x, g_free);
  g_clear_pointer (&net->out, g_free);
  g_clear_pointer (&net->text, g_free);
}

static PmCheckpoint *
new_hashed (const PmBenchSize *size, GError **error)
{
  Writer writer = { .json = g_string_new ("{\"format\": \"pentimento-hash-1\", \"tensors\": {"), .dtype = "F32" };

  add_network (&writer, size);
  g_string_append (writer.json, "}}");
  g_autofree char *json = g_string_free (writer.json, FALSE);
  return pm_checkpoint_new_hash (json, error);
}

gboolean
pm_bench_net_open (PmBenchNet *net, PmBackend *backend, const PmBenchSize *size, const char *path, int B,
                   GError **error)
{
  gsize n = (gsize) B * CHANNELS * size->side * size->side;
  PmRandom random;

  net->B = B;
  net->checkpoint = path ? pm_checkpoint_open (path, error) : new_hashed (size, error);
  if (! net->checkpoint)
    return FALSE;
  for (int i = 0; pm_families[i] && ! net->family; i++)
    if (pm_families[i]->probe (net->checkpoint))
      net->family = pm_families[i];
  g_assert (net->family != NULL);

  net->config = pm_config_new ();
  net->config->n_heads = size->n_heads;
  net->network = net->family->load (net->checkpoint, net->config, &net->info, error);
  if (! net->network)
    return FALSE;
  net->shape = pm_shape_trained (&net->info, B);
  net->prepared = net->family->prepare (net->network, backend, &net->shape, error);
  if (! net->prepared)
    return FALSE;

  net->x = g_new (float, n);
  net->out = g_new (float, n * net->info.out_channels / CHANNELS);
  pm_random_init (&random, 1);
  pm_random_normal (&random, n, net->x);
  return TRUE;
}

gboolean
pm_bench_net_expect (PmBenchNet *net, PmJob *job, GError **error)
{
  float t[PM_BENCH_ITEMS * PM_BENCH_STEPS];
  int y[PM_BENCH_ITEMS * PM_BENCH_STEPS];
  double start = pm_bench_now (), cpu = pm_bench_cpu ();

  for (int i = 0; i < net->B * PM_BENCH_STEPS; i++)
    {
      t[i] = 999 - 50 * (i / net->B);
      y[i] = i % net->B % 2 ? CLASSES : 207;
    }
  if (! net->family->expect (net->prepared, net->B * PM_BENCH_STEPS, t, y, job, error))
    return FALSE;
  net->share = (pm_bench_now () - start) / PM_BENCH_STEPS;
  net->share_cpu = (pm_bench_cpu () - cpu) / PM_BENCH_STEPS;
  return TRUE;
}

PmTap *
pm_bench_net_record (const PmBenchNet *net, PmBackend *backend, gsize *n_bytes, GError **error)
{
  double times[PM_BENCH_STEPS];
  PmShow show;
  PmTap *tap = NULL;
  int n_sites = 0;
  g_autofree PmSite *sites = net->family->sites (net->network, &net->shape, &n_sites);
  const PmTapOptions options = {
    .backend = backend,
    .sites = sites,
    .n_sites = n_sites,
    .n_items = net->B,
    .n_steps = PM_BENCH_STEPS,
    .times = times,
    .budget = (gsize) 256 << 20,
  };
  PmTapEstimate estimate = { 0 };

  for (int i = 0; i < PM_BENCH_STEPS; i++)
    times[i] = 1000 - 50 * i;
  pm_show_init (&show);
  if (pm_show_parse (&show, "layers=all;heads=all;steps=all;read=received", error)
      && pm_tap_estimate (&show, &options, &estimate, error))
    tap = pm_tap_new (&show, &options, error);
  *n_bytes = estimate.n_bytes;
  pm_show_clear (&show);
  return tap;
}

double
pm_bench_net_step (PmBenchNet *net, PmTap *tap, int step, PmJob *job, GError **error)
{
  float t[PM_BENCH_ITEMS];
  int y[PM_BENCH_ITEMS];
  PmItemTag tags[PM_BENCH_ITEMS];

  for (int i = 0; i < net->B; i++)
    {
      t[i] = 999 - 50 * step;
      y[i] = i % 2 ? CLASSES : 207;
      tags[i] = i % 2 ? PM_ITEM_NULL : PM_ITEM_CONDITION;
    }
  const PmDenoise in = { .B = net->B, .x = net->x, .t = t, .y = y, .tags = tags, .tap = tap, .job = job };

  double start = pm_bench_now ();
  if (tap)
    pm_tap_begin_step (tap, step, tags, net->B);
  if (! net->family->denoise (net->prepared, &in, net->out, error))
    return -1;
  return pm_bench_now () - start + net->share;
}

double
pm_bench_net_flops (const PmBenchNet *net)
{
  return net->family->flops (net->network, &net->shape, net->B);
}

guint64
pm_bench_peak_memory (gboolean reset)
{
  g_autofree char *status = NULL;

  if (reset)
    {
      FILE *file = fopen ("/proc/self/clear_refs", "w");
      if (file)
        {
          fputs ("5", file);
          fclose (file);
        }
    }
  if (! g_file_get_contents ("/proc/self/status", &status, NULL, NULL))
    return 0;
  const char *line = strstr (status, "VmHWM:");
  return line ? g_ascii_strtoull (line + strlen ("VmHWM:"), NULL, 10) * 1024 : 0;
}
