/* The worker pool: sleeping threads woken by a generation number; tasks are handed out by an atomic counter. */
#include "base/pool.h"

#include "base/error.h"
#include "base/i18n.h"

typedef struct
{
  PmPool *pool;
  int     index; /* 1..n_workers-1; the caller of pm_pool_run is 0 */
} PmPoolThread;

struct _PmPool
{
  int          n_workers;
  GThread     *threads[PM_POOL_MAX_WORKERS];
  PmPoolThread contexts[PM_POOL_MAX_WORKERS];
  const gint  *cancel_flag;

  GMutex   mutex;
  GCond    work, done;  /* guarded by mutex, as all below but next */
  guint    generation;
  int      n_busy;
  gboolean quit;

  gint       next;      /* atomic: the next task */
  int        n_tasks;
  PmPoolFunc func;
  gpointer   data;
};

static void
pool_work (PmPool *pool, int worker)
{
  for (;;)
    {
      int task = g_atomic_int_add (&pool->next, 1);
      if (task >= pool->n_tasks || (pool->cancel_flag && g_atomic_int_get (pool->cancel_flag)))
        return;
      pool->func (task, worker, pool->data);
    }
}

static gpointer
pool_thread (gpointer data)
{
  PmPoolThread *context = data;
  PmPool       *pool = context->pool;
  guint         seen = 0;

  g_mutex_lock (&pool->mutex);
  while (! pool->quit)
    {
      if (pool->generation == seen)
        {
          g_cond_wait (&pool->work, &pool->mutex);
          continue;
        }
      seen = pool->generation;
      g_mutex_unlock (&pool->mutex);
      pool_work (pool, context->index);
      g_mutex_lock (&pool->mutex);
      if (--pool->n_busy == 0)
        g_cond_signal (&pool->done);
    }
  g_mutex_unlock (&pool->mutex);
  return NULL;
}

PmPool *
pm_pool_new (int n_workers, GError **error)
{
  if (n_workers <= 0)
    n_workers = g_get_num_processors ();
  n_workers = CLAMP (n_workers, 1, PM_POOL_MAX_WORKERS);

  PmPool *pool = g_new0 (PmPool, 1);
  g_mutex_init (&pool->mutex);
  g_cond_init (&pool->work);
  g_cond_init (&pool->done);
  pool->n_workers = 1;
  for (int i = 1; i < n_workers; i++)
    {
      pool->contexts[i] = (PmPoolThread) { .pool = pool, .index = i };
      pool->threads[i] = g_thread_try_new ("pentimento", pool_thread, &pool->contexts[i], error);
      if (! pool->threads[i])
        {
          g_prefix_error_literal (error, _("The worker threads could not be started; close other programs and try again. "));
          pm_pool_free (pool);
          return NULL;
        }
      pool->n_workers++;
    }
  return pool;
}

void
pm_pool_free (PmPool *pool)
{
  if (! pool)
    return;
  g_mutex_lock (&pool->mutex);
  pool->quit = TRUE;
  g_cond_broadcast (&pool->work);
  g_mutex_unlock (&pool->mutex);
  for (int i = 1; i < pool->n_workers; i++)
    g_thread_join (pool->threads[i]);
  g_mutex_clear (&pool->mutex);
  g_cond_clear (&pool->work);
  g_cond_clear (&pool->done);
  g_free (pool);
}

int
pm_pool_get_n_workers (PmPool *pool)
{
  return pool->n_workers;
}

void
pm_pool_set_cancel_flag (PmPool *pool, const gint *flag)
{
  pool->cancel_flag = flag;
}

void
pm_pool_run (PmPool *pool, int n_tasks, PmPoolFunc func, gpointer data)
{
  if (n_tasks <= 1 || pool->n_workers == 1) /* waking others would cost more than it brings */
    {
      for (int i = 0; i < n_tasks && ! (pool->cancel_flag && g_atomic_int_get (pool->cancel_flag)); i++)
        func (i, 0, data);
      return;
    }

  g_mutex_lock (&pool->mutex);
  pool->func = func;
  pool->data = data;
  pool->n_tasks = n_tasks;
  g_atomic_int_set (&pool->next, 0);
  pool->n_busy = pool->n_workers - 1;
  pool->generation++;
  g_cond_broadcast (&pool->work);
  g_mutex_unlock (&pool->mutex);

  pool_work (pool, 0);

  g_mutex_lock (&pool->mutex);
  while (pool->n_busy > 0)
    g_cond_wait (&pool->done, &pool->mutex);
  g_mutex_unlock (&pool->mutex);
}
