/* The one error domain of the core. A message is a whole translated sentence: cause, then remedy. */
#ifndef PM_ERROR_H
#define PM_ERROR_H

#include <glib.h>

#define PM_ERROR (pm_error_quark ())

typedef enum
{
  PM_ERROR_FAILED,      /* anything that fits no other code */
  PM_ERROR_USAGE,       /* an argument or option that makes no sense */
  PM_ERROR_NO_MODEL,    /* no such model, or none installed */
  PM_ERROR_DAMAGED,     /* a file whose content contradicts itself or ends too soon */
  PM_ERROR_UNSUPPORTED, /* well-formed, but of a kind that this version does not know */
  PM_ERROR_NO_CLASS,    /* the model has no such class */
  PM_ERROR_MEMORY,      /* an allocation failed, or the estimate exceeds what there is */
  PM_ERROR_IO,          /* reading or writing failed */
  PM_ERROR_DEVICE       /* a graphics card that cannot be used, or that was lost */
} PmErrorCode;

GQuark pm_error_quark (void);

#endif
