/* The worker pool. Tasks are handed out by an atomic counter; a run is opened and closed by one atomic word, so that workers who
 * are late are not waited for. Between runs workers watch for the next one for a while, because a network is a chain of short
 * operations and a sleeping thread takes longer to wake than many of them last; first attentively, then letting other programs
 * run; after that they sleep. */
#include "base/pool.h"

#include <sched.h>

#include "base/error.h"
#include "base/i18n.h"

#define WATCH_USEC 30   /* without letting go of the processor */
#define YIELD_USEC 2000 /* letting others have it */
#define PAUSES 16       /* between two looks */

/* The word: workers inside the run, whether more may enter, and the number of the run. */
#define INSIDE 0xff
#define OPEN 0x100
#define ONE_RUN 0x200

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

  gint word, quit; /* atomic */

  GMutex mutex;
  GCond  work, done;
  gint   n_sleepers;   /* atomic: workers that wait for `work`, or are about to */
  gint   is_caller_asleep; /* atomic */

  gint       next; /* atomic: the next task */
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

/* Looks until the condition holds: TRUE, or for so long that sleep is better. */
static gboolean
watch (gboolean (*holds) (PmPool *pool, guint seen), PmPool *pool, guint seen)
{
  for (gint64 now = g_get_monotonic_time (), start = now; now - start < YIELD_USEC; now = g_get_monotonic_time ())
    {
      for (int i = 0; i < PAUSES; i++)
        {
          if (holds (pool, seen))
            return TRUE;
#if defined(__x86_64__)
          __builtin_ia32_pause ();
#endif
        }
      if (now - start > WATCH_USEC)
        sched_yield ();
    }
  return FALSE;
}

/* A run that this worker has not been in, or the end. */
static gboolean
has_work (PmPool *pool, guint seen)
{
  guint word = (guint) g_atomic_int_get (&pool->word);
  return ((word & OPEN) && word / ONE_RUN != seen) || g_atomic_int_get (&pool->quit);
}

static gboolean
is_empty (PmPool *pool, guint seen)
{
  return ((guint) g_atomic_int_get (&pool->word) & INSIDE) == 0;
}

/* FALSE when the run was closed meanwhile. */
static gboolean
pool_enter (PmPool *pool, guint *seen)
{
  for (;;)
    {
      guint word = (guint) g_atomic_int_get (&pool->word);
      if (! (word & OPEN) || word / ONE_RUN == *seen)
        return FALSE;
      if (g_atomic_int_compare_and_exchange (&pool->word, (gint) word, (gint) (word + 1)))
        {
          *seen = word / ONE_RUN;
          return TRUE;
        }
    }
}

static void
pool_leave (PmPool *pool)
{
  guint before = (guint) g_atomic_int_add (&pool->word, -1);
  if ((before & INSIDE) == 1 && g_atomic_int_get (&pool->is_caller_asleep))
    {
      g_mutex_lock (&pool->mutex);
      g_cond_signal (&pool->done);
      g_mutex_unlock (&pool->mutex);
    }
}

static gpointer
pool_thread (gpointer data)
{
  PmPoolThread *context = data;
  PmPool       *pool = context->pool;
  guint         seen = 0;

  while (! g_atomic_int_get (&pool->quit))
    {
      if (! watch (has_work, pool, seen))
        {
          g_mutex_lock (&pool->mutex);
          g_atomic_int_inc (&pool->n_sleepers);
          while (! has_work (pool, seen))
            g_cond_wait (&pool->work, &pool->mutex);
          g_atomic_int_add (&pool->n_sleepers, -1);
          g_mutex_unlock (&pool->mutex);
        }
      if (pool_enter (pool, &seen))
        {
          pool_work (pool, context->index);
          pool_leave (pool);
        }
    }
  return NULL;
}

static void
wake_sleepers (PmPool *pool)
{
  if (g_atomic_int_get (&pool->n_sleepers) == 0)
    return;
  g_mutex_lock (&pool->mutex);
  g_cond_broadcast (&pool->work);
  g_mutex_unlock (&pool->mutex);
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
  g_atomic_int_set (&pool->quit, 1);
  wake_sleepers (pool);
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

  guint run = (guint) g_atomic_int_get (&pool->word) / ONE_RUN + 1;
  pool->func = func;
  pool->data = data;
  pool->n_tasks = n_tasks;
  g_atomic_int_set (&pool->next, 0);
  g_atomic_int_set (&pool->word, (gint) (run * ONE_RUN | OPEN));
  wake_sleepers (pool);

  pool_work (pool, 0);

  g_atomic_int_and ((guint *) &pool->word, ~(guint) OPEN);
  if (watch (is_empty, pool, 0))
    return;
  g_mutex_lock (&pool->mutex);
  g_atomic_int_set (&pool->is_caller_asleep, 1);
  while (! is_empty (pool, 0))
    g_cond_wait (&pool->done, &pool->mutex);
  g_atomic_int_set (&pool->is_caller_asleep, 0);
  g_mutex_unlock (&pool->mutex);
}
