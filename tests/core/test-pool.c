/* The worker pool: every task once, none left when a run returns, no worker in two tasks at a time; whether workers are watching
 * for the next run, asleep, or on their way to either. */
#include <glib.h>

#include "base/pool.h"

#define MAX_TASKS 70

typedef struct
{
  gint n_runs[MAX_TASKS]; /* atomic, as all below */
  gint is_busy[PM_POOL_MAX_WORKERS];
  gint n_inside;
  int  values[MAX_TASKS];
  int  n_workers;
  gint cancel_at, cancel; /* the task that sets the flag, -1: none */
} Run;

static void
task_cb (int task, int worker, gpointer data)
{
  Run *run = data;

  g_assert_cmpint (worker, >=, 0);
  g_assert_cmpint (worker, <, run->n_workers);
  g_assert_true (g_atomic_int_compare_and_exchange (&run->is_busy[worker], 0, 1));
  g_atomic_int_inc (&run->n_inside);
  g_atomic_int_inc (&run->n_runs[task]);
  run->values[task] = task + 1;
  if (task == run->cancel_at)
    g_atomic_int_set (&run->cancel, 1);
  if (task % 16 == 3)
    g_usleep (20);
  g_atomic_int_add (&run->n_inside, -1);
  g_atomic_int_set (&run->is_busy[worker], 0);
}

static void
check_run (PmPool *pool, int n_tasks)
{
  Run run = { .n_workers = pm_pool_get_n_workers (pool), .cancel_at = -1 };

  pm_pool_run (pool, n_tasks, task_cb, &run);
  g_assert_cmpint (g_atomic_int_get (&run.n_inside), ==, 0);
  for (int i = 0; i < MAX_TASKS; i++)
    {
      g_assert_cmpint (run.n_runs[i], ==, i < n_tasks ? 1 : 0);
      g_assert_cmpint (run.values[i], ==, i < n_tasks ? i + 1 : 0);
    }
}

static void
test_runs (void)
{
  static const int n_workers[] = { 1, 2, 3, 8, PM_POOL_MAX_WORKERS };

  for (gsize i = 0; i < G_N_ELEMENTS (n_workers); i++)
    {
      g_autoptr (PmPool) pool = pm_pool_new (n_workers[i], NULL);
      g_assert_cmpint (pm_pool_get_n_workers (pool), ==, n_workers[i]);
      for (int run = 0; run < 400; run++)
        check_run (pool, run * 7 % (MAX_TASKS + 1));
    }
}

/* Pauses in which workers still watch, are about to sleep, and sleep. */
static void
test_pauses (void)
{
  g_autoptr (PmPool) pool = pm_pool_new (3, NULL);

  for (int run = 0; run < 120; run++)
    {
      check_run (pool, 1 + run % 9);
      g_usleep (run % 3 == 0 ? 40 : run % 3 == 1 ? 1990 + run : 4000);
    }
  g_usleep (10000); /* the end finds them asleep */
}

static void
test_cancel (void)
{
  g_autoptr (PmPool) pool = pm_pool_new (4, NULL);

  for (int round = 0; round < 100; round++)
    {
      Run run = { .n_workers = 4, .cancel_at = round % 20 };
      int n = 0;
      pm_pool_set_cancel_flag (pool, &run.cancel);
      pm_pool_run (pool, MAX_TASKS, task_cb, &run);
      g_assert_cmpint (g_atomic_int_get (&run.n_inside), ==, 0);
      for (int i = 0; i < MAX_TASKS; i++)
        n += run.n_runs[i];
      g_assert_cmpint (n, >, round % 20 - 3); /* the other workers may each leave one that they had taken */
      g_assert_cmpint (n, <=, MAX_TASKS);
      g_atomic_int_set (&run.cancel, 1);
      pm_pool_run (pool, MAX_TASKS, task_cb, &run); /* nothing more */
      for (int i = 0; i < MAX_TASKS; i++)
        n -= run.n_runs[i];
      g_assert_cmpint (n, ==, 0);
      pm_pool_set_cancel_flag (pool, NULL);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pool/runs", test_runs);
  g_test_add_func ("/pool/pauses", test_pauses);
  g_test_add_func ("/pool/cancel", test_cancel);
  return g_test_run ();
}
