/* Fuzz target: a record, as it comes out of a stranger's picture. What is read must be written the same way twice. */
#include "fuzz.h"
#include "request/request.h"

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n)
{
  g_autofree char      *text = g_strndup ((const char *) bytes, n);
  g_autoptr (GError)    error = NULL;
  g_autoptr (PmRequest) request = pm_request_from_json (text, &error);

  g_assert_true ((request == NULL) == (error != NULL));
  if (request)
    {
      g_autofree char      *json = pm_request_to_json (request);
      g_autoptr (PmRequest) copy = pm_request_copy (request);
      g_autoptr (PmRequest) back = pm_request_from_json (json, NULL);
      g_autofree char      *again = back ? pm_request_to_json (back) : NULL, *copied = pm_request_to_json (copy);

      g_assert_cmpstr (json, ==, again);
      g_assert_cmpstr (json, ==, copied);
    }
  return 0;
}
