/* What the thread sanitizer is told of fibers: a thread of a block is one of its threads, which only barriers put in order
 * (__syncthreads and __syncwarp, not shuffles and products of a warp, which order no memory). So shared memory that two of them
 * touch, one writing, without a barrier in between is reported as a data race, whatever the order in which they came.
 * Without that sanitizer all of this is nothing. */
#ifndef PM_HOST_WATCH_H
#define PM_HOST_WATCH_H

#if defined __SANITIZE_THREAD__

#include <sanitizer/tsan_interface.h>

extern "C" {
void AnnotateIgnoreReadsBegin (const char *file, int line);
void AnnotateIgnoreReadsEnd (const char *file, int line);
void AnnotateIgnoreWritesBegin (const char *file, int line);
void AnnotateIgnoreWritesEnd (const char *file, int line);
void __tsan_read16 (void *at);
}

#define PM_WATCH_NEW()        __tsan_create_fiber (0)
#define PM_WATCH_FREE(fiber)  __tsan_destroy_fiber (fiber)
#define PM_WATCH_HERE()       __tsan_get_current_fiber ()
#define PM_WATCH_ENTER(fiber) __tsan_switch_to_fiber (fiber, 0) /* after all that was done here */
#define PM_WATCH_LEAVE(fiber) __tsan_switch_to_fiber (fiber, __tsan_switch_to_fiber_no_sync)
#define PM_WATCH_RELEASE(at)  __tsan_release (at) /* what was done so far is before what others do .. */
#define PM_WATCH_ACQUIRE(at)  __tsan_acquire (at) /* .. behind this */
#define PM_WATCH_READ_16(at)  __tsan_read16 ((void *) (at))

/* What is done in between is the host's doing. */
#define PM_WATCH_PAUSE()  (AnnotateIgnoreReadsBegin (__FILE__, __LINE__), AnnotateIgnoreWritesBegin (__FILE__, __LINE__))
#define PM_WATCH_RESUME() (AnnotateIgnoreWritesEnd (__FILE__, __LINE__), AnnotateIgnoreReadsEnd (__FILE__, __LINE__))

#else

#define PM_WATCH_NEW()        nullptr
#define PM_WATCH_FREE(fiber)  (void) 0
#define PM_WATCH_HERE()       nullptr
#define PM_WATCH_ENTER(fiber) (void) 0
#define PM_WATCH_LEAVE(fiber) (void) 0
#define PM_WATCH_RELEASE(at)  (void) (at)
#define PM_WATCH_ACQUIRE(at)  (void) (at)
#define PM_WATCH_READ_16(at)  (void) (at)
#define PM_WATCH_PAUSE()      (void) 0
#define PM_WATCH_RESUME()     (void) 0

#endif

#endif
