/* The worker pool: at most 32 threads that share a numbered list of tasks.
 *
 * Results never depend on the number of workers as long as a task's result depends on its number alone;
 * which worker runs a task is not determined. */
#ifndef PM_POOL_H
#define PM_POOL_H

#include <glib.h>

#define PM_POOL_MAX_WORKERS 32

typedef struct _PmPool PmPool;

/* task: 0..n_tasks-1; worker: 0..pm_pool_get_n_workers()-1, to index scratch memory. */
typedef void (*PmPoolFunc) (int task, int worker, gpointer data);

/* n_workers 0: one per processor. NULL on failure to start threads. The calling thread is worker 0. */
PmPool *pm_pool_new (int n_workers, GError **error);
void    pm_pool_free (PmPool *pool);
int     pm_pool_get_n_workers (PmPool *pool);

/* Runs func for every task and returns when all are done. Not reentrant: a task must not run the pool.
 * When a cancel flag is set and becomes nonzero, tasks not yet begun are skipped. */
void pm_pool_run (PmPool *pool, int n_tasks, PmPoolFunc func, gpointer data);
void pm_pool_set_cancel_flag (PmPool *pool, const gint *flag);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PmPool, pm_pool_free)

#endif
