/* Readings against their definitions: every reduction composed from streamed sums is compared with a direct computation
 * from the whole matrix P, and `subject` with an eigen solver of its own. */
#include <math.h>
#include <string.h>

#include <gio/gio.h>

#include "attention/reduction.h"
#include "attention/show.h"

#define GRID_W 6
#define GRID_H 5
#define N (GRID_W * GRID_H)
#define N_TEXT 3 /* tokens before the picture, so that spans matter */
#define N_TOKENS (N_TEXT + N)
#define LIMIT 1e-6 /* f32 sums of at most 33 weights that add to 1 */

/* One attention: P [N_TOKENS, N_TOKENS], and the place with a soft region. */
typedef struct
{
  double           P[N_TOKENS][N_TOKENS];
  PmSite           site;
  float            region[N];
  PmReductionPlace place;
} Scene;

static void
init_site (PmSite *site)
{
  const PmSpan text = { .role = PM_ROLE_TEXT, .first = 0, .count = N_TEXT };
  const PmSpan picture = { .role = PM_ROLE_PICTURE, .first = N_TEXT, .count = N, .grid_w = GRID_W, .grid_h = GRID_H };

  *site = (PmSite) { .kind = PM_SITE_JOINT, .n_heads = 1, .n_queries = N_TOKENS, .n_keys = N_TOKENS };
  site->query_spans[site->n_query_spans++] = text;
  site->query_spans[site->n_query_spans++] = picture;
  site->key_spans[site->n_key_spans++] = text;
  site->key_spans[site->n_key_spans++] = picture;
}

static Scene *
scene_new (guint32 seed)
{
  Scene *scene = g_new0 (Scene, 1);
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  init_site (&scene->site);
  for (int i = 0; i < N_TOKENS; i++)
    {
      double sum = 0.0;

      for (int j = 0; j < N_TOKENS; j++)
        sum += scene->P[i][j] = exp (g_rand_double_range (rand, -4.0, 4.0));
      for (int j = 0; j < N_TOKENS; j++)
        scene->P[i][j] /= sum;
    }
  for (int i = 0; i < N; i++)
    scene->region[i] = i % 4 == 1 ? (float) g_rand_double (rand) : 0.0f;

  scene->place = (PmReductionPlace) { &scene->site, pm_site_find_query_span (&scene->site, PM_ROLE_PICTURE),
                                      pm_site_find_key_span (&scene->site, PM_ROLE_PICTURE), scene->region };

  return scene;
}

/* What a backend would stream, in f32, and what the reduction makes of it. out: [N] */
static void
compose (const Scene *scene, const PmReduction *reduction, float *out)
{
  int               n_query = reduction->n_query_weights, n_key = reduction->n_key_weights;
  g_autofree float *query_weights = g_new0 (float, n_query *N_TOKENS + 1);
  g_autofree float *key_weights = g_new0 (float, n_key *N_TOKENS + 1);
  g_autofree float *query_sums = g_new0 (float, n_query *N_TOKENS + 1);
  g_autofree float *key_sums = g_new0 (float, n_key *N_TOKENS + 1);
  float             entropy[N_TOKENS] = { 0 };

  if (reduction->weigh)
    reduction->weigh (&scene->place, n_query ? query_weights : NULL, n_key ? key_weights : NULL);

  for (int i = 0; i < N_TOKENS; i++)
    for (int j = 0; j < N_TOKENS; j++)
      {
        float p = (float) scene->P[i][j];

        entropy[i] -= p * logf (p);
        for (int w = 0; w < n_query; w++)
          query_sums[w * N_TOKENS + j] += query_weights[w * N_TOKENS + i] * p;
        for (int w = 0; w < n_key; w++)
          key_sums[w * N_TOKENS + i] += key_weights[w * N_TOKENS + j] * p;
      }

  reduction->compose (&scene->place, n_query ? query_sums : NULL, n_key ? key_sums : NULL,
                      reduction->needs_entropy ? entropy : NULL, out);
}

/* The definitions, read off the whole matrix. */
static double
define (const Scene *scene, const char *id, int at)
{
  double value = 0.0, weights = 0.0;

  for (int k = 0; k < N; k++)
    {
      double column = scene->P[N_TEXT + k][N_TEXT + at], row = scene->P[N_TEXT + at][N_TEXT + k];
      double dx = at % GRID_W - k % GRID_W, dy = at / GRID_W - k / GRID_W;

      weights += scene->region[k];
      if (strcmp (id, "received") == 0)
        value += column / N;
      else if (strcmp (id, "from") == 0)
        value += scene->region[k] * column;
      else if (strcmp (id, "to") == 0)
        value += scene->region[k] * row;
      else if (strcmp (id, "distance") == 0)
        value += row * (dx * dx + dy * dy);
    }

  for (int j = 0; strcmp (id, "entropy") == 0 && j < N_TOKENS; j++)
    value -= scene->P[N_TEXT + at][j] * log (scene->P[N_TEXT + at][j]);
  if (strcmp (id, "from") == 0)
    value /= weights;
  if (strcmp (id, "distance") == 0)
    value = sqrt (value) / hypot (GRID_W, GRID_H);

  return value;
}

static void
test_definition (gconstpointer data)
{
  const PmReduction *reduction = pm_reduction_find (data);

  g_assert_nonnull (reduction);
  for (guint32 seed = 0; seed < 20; seed++)
    {
      g_autofree Scene *scene = scene_new (seed);
      float             map[N];
      double            limit = strcmp (data, "entropy") == 0 ? 4 * LIMIT : LIMIT; /* of ln 33 = 3.5 rather than 1 */

      compose (scene, reduction, map);
      for (int i = 0; i < N; i++)
        g_assert_cmpfloat (fabs (map[i] - define (scene, data, i)), <, limit);
    }
}

/* A patch that looks only at itself is at distance 0, and cancellation must not make it NaN. */
static void
test_distance_of_itself (void)
{
  g_autofree Scene  *scene = scene_new (1);
  const PmReduction *distance = pm_reduction_find ("distance");
  float              map[N];

  for (int i = 0; i < N_TOKENS; i++)
    for (int j = 0; j < N_TOKENS; j++)
      scene->P[i][j] = i == j ? 1.0 : 1e-30;
  compose (scene, distance, map);
  for (int i = 0; i < N; i++)
    g_assert_cmpfloat (fabs (map[i]), <, 1e-3); /* the root of a rounding error */
}

/* Jacobi's method: vectors [n, n] in columns, values [n]. matrix is destroyed. */
static void
solve_jacobi (double *matrix, int n, double *vectors, double *values)
{
  for (int i = 0; i < n * n; i++)
    vectors[i] = i % (n + 1) == 0;

  for (int sweep = 0; sweep < 60; sweep++)
    for (int p = 0; p < n; p++)
      for (int q = p + 1; q < n; q++)
        {
          double angle = 0.5 * atan2 (2 * matrix[p * n + q], matrix[q * n + q] - matrix[p * n + p]);
          double c = cos (angle), s = sin (angle);

          for (int k = 0; k < n; k++)
            {
              double a = matrix[k * n + p], b = matrix[k * n + q], v = vectors[k * n + p], w = vectors[k * n + q];

              matrix[k * n + p] = c * a - s * b;
              matrix[k * n + q] = s * a + c * b;
              vectors[k * n + p] = c * v - s * w;
              vectors[k * n + q] = s * v + c * w;
            }
          for (int k = 0; k < n; k++)
            {
              double a = matrix[p * n + k], b = matrix[q * n + k];

              matrix[p * n + k] = c * a - s * b;
              matrix[q * n + k] = s * a + c * b;
            }
        }

  for (int i = 0; i < n; i++)
    values[i] = matrix[i * (n + 1)];
}

static gboolean
is_border (int i)
{
  return i % GRID_W == 0 || i % GRID_W == GRID_W - 1 || i / GRID_W == 0 || i / GRID_W == GRID_H - 1;
}

/* The definition of the subject, by Jacobi's method; out: [N] */
static void
define_subject (const Scene *scene, double *out)
{
  double S[N * N], degree[N] = { 0 }, vectors[N * N], values[N], square = 0, difference = 0;
  int    first = 0, second = -1, n_border = 0;

  for (int i = 0; i < N; i++)
    n_border += is_border (i);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++)
      {
        S[i * N + j] = 0.5 * (scene->P[N_TEXT + i][N_TEXT + j] + scene->P[N_TEXT + j][N_TEXT + i]);
        degree[i] += S[i * N + j];
      }
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++)
      S[i * N + j] /= sqrt (degree[i] * degree[j]);
  solve_jacobi (S, N, vectors, values);

  for (int i = 1; i < N; i++)
    first = values[i] > values[first] ? i : first;
  for (int i = 0; i < N; i++)
    second = i != first && (second < 0 || values[i] > values[second]) ? i : second;
  g_assert_cmpfloat (fabs (values[first] - 1.0), <, 1e-9);

  for (int i = 0; i < N; i++)
    {
      out[i] = vectors[i * N + second] / sqrt (degree[i]);
      square += out[i] * out[i];
      difference += is_border (i) ? out[i] / n_border : -out[i] / (N - n_border);
    }
  for (int i = 0; i < N; i++)
    out[i] *= (difference > 0 ? -1 : 1) * sqrt (N / square);
}

/* An inner object of 2 x 3 patches: its patches prefer each other, as do those of the ground. */
static gboolean
is_object (int i)
{
  return i % GRID_W >= 2 && i % GRID_W <= 3 && i / GRID_W >= 1 && i / GRID_W <= 3;
}

static void
group_scene (Scene *scene, double preference)
{
  for (int i = 0; i < N; i++)
    {
      double sum = 0.0;

      for (int j = 0; j < N; j++)
        {
          double *p = &scene->P[N_TEXT + i][N_TEXT + j];

          *p *= is_object (i) == is_object (j) ? 1.0 : preference;
          sum += *p;
        }
      for (int j = 0; j < N_TEXT; j++)
        sum += scene->P[N_TEXT + i][j];
      for (int j = 0; j < N_TOKENS; j++)
        scene->P[N_TEXT + i][j] /= sum;
    }
}

static void
solve_subject (const Scene *scene, double factor, float *out)
{
  g_autoptr (GError) error = NULL;
  g_autofree float *matrix = g_new (float, N_TOKENS *N_TOKENS);

  for (int i = 0; i < N_TOKENS * N_TOKENS; i++)
    matrix[i] = (float) (factor * scene->P[i / N_TOKENS][i % N_TOKENS]);
  g_assert_true (pm_reduction_find ("subject")->solve (&scene->place, matrix, out, NULL, &error));
  g_assert_no_error (error);
}

static void
test_subject (void)
{
  for (guint32 seed = 0; seed < 10; seed++)
    {
      g_autofree Scene *scene = scene_new (seed);
      double            expected[N], square = 0;
      float             map[N], scaled[N];

      group_scene (scene, 0.3);
      define_subject (scene, expected);
      solve_subject (scene, 1.0, map);
      solve_subject (scene, 7.0, scaled); /* a sum over steps instead of a mean */
      for (int i = 0; i < N; i++)
        {
          g_assert_cmpfloat (fabs (map[i] - expected[i]), <, 1e-5); /* P was rounded to f32; the gap is above 0.1 */
          g_assert_cmpfloat (fabs (map[i] - scaled[i]), <, 1e-5);
          square += map[i] * map[i];
        }
      g_assert_cmpfloat (fabs (square / N - 1.0), <, 1e-5);
    }
}

/* Object and ground that do not look at each other at all: the second eigenvalue is 1 too, and the vector must still be
 * the one that parts them, above zero on the object. */
static void
test_subject_apart (void)
{
  for (guint32 seed = 0; seed < 10; seed++)
    {
      g_autofree Scene *scene = scene_new (seed);
      float             map[N];

      group_scene (scene, 0.0);
      solve_subject (scene, 1.0, map);
      for (int i = 0; i < N; i++)
        g_assert_true (is_object (i) == (map[i] > 0.0f));
    }
}

static void
test_subject_small (void)
{
  const PmReduction *subject = pm_reduction_find ("subject");
  const float        matrix[] = { 0.75f, 0.25f, 0.25f, 0.75f };

  for (int n = 1; n <= 2; n++)
    {
      PmSite           site = { .n_queries = n, .n_keys = n };
      PmSpan           span = { .role = PM_ROLE_PICTURE, .count = n, .grid_w = n, .grid_h = 1 };
      PmReductionPlace place = { &site, &span, &span, NULL };
      float            map[2] = { 9, 9 };

      g_assert_true (subject->solve (&place, matrix, map, NULL, NULL));
      g_assert_cmpfloat (fabs (fabs (map[0]) - (n == 1 ? 0.0 : 1.0)), <, 1e-6);
      if (n == 2)
        g_assert_cmpfloat (fabs (map[0] + map[1]), <, 1e-6);
    }
}

static void
test_subject_cancelled (void)
{
  g_autoptr (PmJob) job = pm_job_new (NULL, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree Scene *scene = scene_new (3);
  g_autofree float *matrix = g_new0 (float, N_TOKENS *N_TOKENS);
  float             map[N];

  pm_job_cancel (job);
  g_assert_false (pm_reduction_find ("subject")->solve (&scene->place, matrix, map, job, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_registry (void)
{
  const char *const *ids = pm_reading_ids ();

  g_assert_cmpstr (ids[0], ==, "subject");
  g_assert_cmpuint (g_strv_length ((char **) ids), ==, 10);
  for (int i = 0; ids[i]; i++)
    {
      g_assert_nonnull (pm_reading_title (ids[i]));
      g_assert_true (pm_reading_needs_region (ids[i])
                     == (strcmp (ids[i], "from") == 0 || strcmp (ids[i], "to") == 0 || strcmp (ids[i], "rollout") == 0));
      g_assert_true (pm_reading_needs_words (ids[i]) == g_str_has_prefix (ids[i], "word"));
      g_assert_true (pm_reading_needs_prompt (ids[i]) == (g_str_has_prefix (ids[i], "word") || strcmp (ids[i], "sink") == 0));
    }
  g_assert_null (pm_reduction_find ("nonsense"));
  g_assert_null (pm_reading_title (NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/attention/registry", test_registry);
  g_test_add_data_func ("/attention/received", "received", test_definition);
  g_test_add_data_func ("/attention/from", "from", test_definition);
  g_test_add_data_func ("/attention/to", "to", test_definition);
  g_test_add_data_func ("/attention/entropy", "entropy", test_definition);
  g_test_add_data_func ("/attention/distance", "distance", test_definition);
  g_test_add_func ("/attention/distance-of-itself", test_distance_of_itself);
  g_test_add_func ("/attention/subject", test_subject);
  g_test_add_func ("/attention/subject-apart", test_subject_apart);
  g_test_add_func ("/attention/subject-small", test_subject_small);
  g_test_add_func ("/attention/subject-cancelled", test_subject_cancelled);

  return g_test_run ();
}
