/* cuBLASLt as the toolkit declares it. */
#ifndef PM_PRODUCT_LIBRARY_H
#define PM_PRODUCT_LIBRARY_H

#include <cublasLt.h>

#endif
