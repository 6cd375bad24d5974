/* Pentimento's core: diffusion transformers that paint, with their attention at hand.
 *
 * This is the only header that the user interface, the plug-in and the command line include.
 * A complete program; in a checkout that ./dev has built, `./dev shell` compiles and runs it:
 *   cc x.c -Icore $(pkg-config --cflags --libs gio-2.0) -L.dev/build/core -lpentimento-core -Wl,-rpath,$PWD/.dev/build/core
 *
 *   #include "pentimento.h"
 *   int main (void)
 *   {
 *     g_autoptr (GError) error = NULL;
 *     g_autoptr (PmModel) model = pm_model_open ("starter-pixel", &error);
 *     g_autoptr (PmRequest) request = model ? pm_request_new_for_model (model) : NULL;
 *     if (request) pm_request_set_show (request, "layers=5;heads=mean;steps=12;read=subject", &error);
 *     g_autoptr (PmResult) result = request && !error ? pm_generate (model, request, NULL, &error) : NULL;
 *     if (! result) return g_printerr ("%s\n", error->message), 1;
 *     for (guint i = 0; i < result->maps->len; i++)
 *       g_print ("%s\n", ((PmMap *) g_ptr_array_index (result->maps, i))->title);
 *   }
 *
 * Conventions. Pictures are [height, width, 3] f32 in 0..1, sRGB-encoded; latents are [C, H, W].
 * Layers, heads and sampler steps count from 0; step 0 is the noisiest. A call that fails returns
 * FALSE or NULL and sets a GError whose message is one translated sentence that names the cause and
 * the remedy. Nothing here prints, exits or needs a display; every object may be used from any one
 * thread at a time, and PmModel is immutable and may be shared.
 */
#ifndef PENTIMENTO_H
#define PENTIMENTO_H

#include <gio/gio.h>

#include "base/error.h"
#include "base/job.h"
#include "base/version.h"
#include "attention/map.h"
#include "attention/palette.h"
#include "backend/device.h"
#include "eval/eval.h"
#include "export/gif.h"
#include "export/npy.h"
#include "export/raw.h"
#include "export/sheet.h"
#include "model/model.h"
#include "request/request.h"
#include "run/generate.h"
#include "run/words-at.h"
#include "text/prompt.h"

#endif
