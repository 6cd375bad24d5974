/* Placement of a picture in an image, and the image as the picture sees it.
 * The selection's mask spans the canvas, whatever the layers' offsets are (libgimp, gimp_image_get_selection). */
#include "plugin/placement.h"

#include <math.h>

#include "plugin/i18n.h"
#include "plugin/window.h"

#define SURROUNDINGS 0.5 /* of the selection's sides, added when painting into it */

gboolean
pm_target_has_start (PmTarget target)
{
  return target == PM_TARGET_OVER_LAYER || target == PM_TARGET_INTO_SELECTION;
}

gboolean
pm_target_has_mask (PmTarget target)
{
  return target == PM_TARGET_SELECTION || target == PM_TARGET_INTO_SELECTION;
}

/* The layer whose pixels are meant: the first selected one, or that of a selected mask. */
static GimpLayer *
layer_of (const PmPlace *place)
{
  GimpItem *item = place->drawables && place->drawables[0] ? GIMP_ITEM (place->drawables[0]) : NULL;

  if (! item || ! gimp_item_is_valid (item))
    return NULL;
  if (gimp_item_is_layer_mask (item))
    return gimp_layer_from_mask (GIMP_LAYER_MASK (item));
  return gimp_item_is_layer (item) ? GIMP_LAYER (item) : NULL;
}

static GeglRectangle
layer_bounds (GimpLayer *layer)
{
  GimpDrawable *drawable = GIMP_DRAWABLE (layer);
  GeglRectangle bounds = { 0, 0, gimp_drawable_get_width (drawable), gimp_drawable_get_height (drawable) };

  gimp_drawable_get_offsets (drawable, &bounds.x, &bounds.y);
  return bounds;
}

/* FALSE when nothing is selected; the canvas then. */
static gboolean
selection_bounds (GimpImage *image, GeglRectangle *bounds)
{
  gboolean non_empty = FALSE;
  int      x1, y1, x2, y2;

  *bounds = (GeglRectangle) { 0, 0, gimp_image_get_width (image), gimp_image_get_height (image) };
  if (! gimp_selection_bounds (image, &non_empty, &x1, &y1, &x2, &y2) || ! non_empty)
    return FALSE;
  *bounds = (GeglRectangle) { x1, y1, MAX (x2 - x1, 1), MAX (y2 - y1, 1) };
  return TRUE;
}

static gboolean
check_start (const PmPlace *place, GError **error)
{
  GimpLayer    *layer = layer_of (place);
  GeglRectangle selection, bounds;

  if (! layer)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("There is no layer to begin with; select the layer to paint over, or choose another target."));
      return FALSE;
    }
  bounds = layer_bounds (layer);
  if (place->target != PM_TARGET_INTO_SELECTION
      || (selection_bounds (place->image, &selection) && gegl_rectangle_intersect (NULL, &selection, &bounds)))
    return TRUE;
  g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                       _("The selection lies outside the layer to begin with; select another layer or another place."));
  return FALSE;
}

gboolean
pm_placement_check (const PmPlace *place, GError **error)
{
  if (place->target == PM_TARGET_NEW_IMAGE)
    return TRUE;

  if (! place->image || ! gimp_image_is_valid (place->image))
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("There is no image to paint into; open one, or paint into a new image."));
      return FALSE;
    }
  if (gimp_image_get_base_type (place->image) == GIMP_INDEXED)
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_UNSUPPORTED,
                           _("The image is in indexed colours, which cannot hold the picture; "
                             "change it with Image > Mode > RGB, or paint into a new image."));
      return FALSE;
    }
  if (pm_target_has_mask (place->target) && gimp_selection_is_empty (place->image))
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("Nothing is selected; select where to paint, or paint into the whole image."));
      return FALSE;
    }
  return ! pm_target_has_start (place->target) || check_start (place, error);
}

static void
cover (PmPlacement *placement, int picture_width, int picture_height)
{
  double scale = MAX ((double) placement->width / picture_width, (double) placement->height / picture_height);

  placement->scaled_width = (int) CLAMP (rint (picture_width * scale), placement->width, G_MAXINT);
  placement->scaled_height = (int) CLAMP (rint (picture_height * scale), placement->height, G_MAXINT);
  placement->crop_x = (placement->scaled_width - placement->width) / 2;
  placement->crop_y = (placement->scaled_height - placement->height) / 2;
}

/* Where a window of size begins that has the middle of [inner, inner + inner_size) in its own, moved into the outer range as far
 * as it goes. */
static int
centre_in (int inner, int inner_size, int outer, int outer_size, int size)
{
  int begin = inner + (inner_size - size) / 2;

  if (size >= outer_size)
    return outer + (outer_size - size) / 2;
  return CLAMP (begin, outer, outer + outer_size - size);
}

/* Of the picture's shape around the selection's part of the layer. */
static GeglRectangle
surroundings (const PmPlace *place, int picture_width, int picture_height)
{
  GeglRectangle selection, bounds = layer_bounds (layer_of (place)), inner = bounds, window;
  double w = picture_width, h = picture_height, scale;

  selection_bounds (place->image, &selection);
  if (! gegl_rectangle_intersect (&inner, &selection, &bounds))
    inner = bounds;
  scale = MAX (MAX (inner.width / w, inner.height / h) * (1.0 + SURROUNDINGS), 1.0);
  scale = MIN (scale, MIN (bounds.width / w, bounds.height / h));
  scale = MAX (scale, MAX (inner.width / w, inner.height / h));
  window.width = MAX ((int) rint (w * scale), inner.width);
  window.height = MAX ((int) rint (h * scale), inner.height);
  window.x = centre_in (inner.x, inner.width, bounds.x, bounds.width, window.width);
  window.y = centre_in (inner.y, inner.height, bounds.y, bounds.height, window.height);
  return window;
}

/* Of the canvas, what the target is; a new image is painted from the canvas's region. */
static GeglRectangle
target_rectangle (const PmPlace *place, int picture_width, int picture_height)
{
  GeglRectangle rectangle = { 0, 0, gimp_image_get_width (place->image), gimp_image_get_height (place->image) };

  if (place->target == PM_TARGET_SELECTION)
    selection_bounds (place->image, &rectangle);
  else if (place->target == PM_TARGET_OVER_LAYER)
    rectangle = layer_bounds (layer_of (place));
  else if (place->target == PM_TARGET_INTO_SELECTION)
    rectangle = surroundings (place, picture_width, picture_height);
  return rectangle;
}

static void
cover_target (const PmPlace *place, int picture_width, int picture_height, PmPlacement *placement)
{
  GeglRectangle at = target_rectangle (place, picture_width, picture_height);

  *placement = (PmPlacement) { at.x, at.y, at.width, at.height };
  cover (placement, picture_width, picture_height);
}

void
pm_placement_compute (const PmPlace *place, int picture_width, int picture_height, PmPlacement *placement)
{
  if (! place->image || place->target == PM_TARGET_NEW_IMAGE)
    *placement = (PmPlacement) { 0, 0, picture_width, picture_height, picture_width, picture_height, 0, 0 };
  else
    cover_target (place, picture_width, picture_height, placement);
}

static gboolean
fail_memory (GError **error)
{
  g_set_error_literal (error, PM_ERROR, PM_ERROR_MEMORY,
                       _("There is too little memory to read the image; close other images or paint a smaller picture."));
  return FALSE;
}

/* The whole picture's pixels of source, not only those that are kept after cropping. */
static gboolean
read_covered (const PmWindowSource *source, const PmPlacement *at, int width, int height, float *out)
{
  return pm_window_read (source, at->x - at->crop_x, at->y - at->crop_y, at->scaled_width, at->scaled_height, width, height, out);
}

/* The selection under the picture: [height, width] of the request; NULL when memory is short. */
static guint8 *
read_selection (const PmPlace *place, const PmRequest *request)
{
  GimpSelection *selection = gimp_image_get_selection (place->image);
  gsize       n = (gsize) request->width * request->height;
  PmPlacement at;
  g_autofree float  *values = g_try_new (float, n);
  g_autofree guint8 *mask = g_try_malloc (n);
  g_autoptr (GeglBuffer) buffer = selection ? gimp_drawable_get_buffer (GIMP_DRAWABLE (selection)) : NULL;
  PmWindowSource source = { .buffer = buffer, .format = babl_format ("Y float"), .n_channels = 1 };

  source.domain = (GeglRectangle) { 0, 0, gimp_image_get_width (place->image), gimp_image_get_height (place->image) };
  cover_target (place, request->width, request->height, &at);
  if (! values || ! mask || ! buffer || ! read_covered (&source, &at, request->width, request->height, values))
    return NULL;
  for (gsize i = 0; i < n; i++)
    mask[i] = (guint8) lrintf (CLAMP (values[i], 0.0f, 1.0f) * 255.0f);
  return g_steal_pointer (&mask);
}

gboolean
pm_placement_set_region (const PmPlace *place, PmRequest *request, GError **error)
{
  g_autofree guint8 *mask = NULL;

  if (! place->image || ! gimp_image_is_valid (place->image) || request->width < 1 || request->height < 1
      || gimp_selection_is_empty (place->image))
    return TRUE;
  mask = read_selection (place, request);
  return (mask && pm_request_set_region (request, mask, request->width, request->height)) || fail_memory (error);
}

/* The last of n_channels of what lies at bounds under the picture, multiplied into out [height, width]. */
static gboolean
multiply_channel (const PmPlace *place, const PmRequest *request, GimpDrawable *drawable, GeglRectangle bounds,
                  const char *format, int n_channels, float *out)
{
  gsize n = (gsize) request->width * request->height;
  g_autoptr (GeglBuffer) buffer = gimp_drawable_get_buffer (drawable);
  g_autofree float *values = g_try_malloc_n (n, n_channels * sizeof (float));
  PmWindowSource source = { .buffer = buffer, .domain = bounds, .format = babl_format (format), .n_channels = n_channels };
  PmPlacement    at;

  cover_target (place, request->width, request->height, &at);
  if (! values || ! read_covered (&source, &at, request->width, request->height, values))
    return FALSE;
  for (gsize i = 0; i < n; i++)
    out[i] *= values[n_channels * i + n_channels - 1];
  return TRUE;
}

guint8 *
pm_placement_read_coverage (const PmPlace *place, GimpLayer *layer, const PmRequest *request, GError **error)
{
  gsize n = (gsize) request->width * request->height;
  g_autofree float  *cover = NULL;
  g_autofree guint8 *mask = NULL;
  GimpLayerMask *layer_mask = layer ? gimp_layer_get_mask (layer) : NULL;

  if (! layer && (! place->image || gimp_selection_is_empty (place->image)))
    {
      g_set_error_literal (error, PM_ERROR, PM_ERROR_USAGE,
                           _("Nothing is selected to be the region of a word; select it, or name a layer."));
      return NULL;
    }
  if (! layer)
    mask = read_selection (place, request);
  else if ((cover = g_try_new (float, n)) && (mask = g_try_malloc (n)))
    {
      gboolean done;

      for (gsize i = 0; i < n; i++)
        cover[i] = 1.0f;
      done = multiply_channel (place, request, GIMP_DRAWABLE (layer), layer_bounds (layer), "YA float", 2, cover);
      if (done && layer_mask && gimp_layer_get_apply_mask (layer))
        done = multiply_channel (place, request, GIMP_DRAWABLE (layer_mask), layer_bounds (layer), "Y float", 1, cover);
      for (gsize i = 0; done && i < n; i++)
        mask[i] = (guint8) lrintf (CLAMP (cover[i], 0.0f, 1.0f) * 255.0f);
      if (! done)
        g_clear_pointer (&mask, g_free);
    }
  if (! mask)
    fail_memory (error);
  return g_steal_pointer (&mask);
}

/* The layer's pixels [n, 4], alpha multiplied in, as [n, 3] on white in steps of 1 / 255. */
static void
lay_on_white (gsize n, const float *pixels, float *picture)
{
  for (gsize i = 0; i < n; i++)
    for (int c = 0; c < 3; c++)
      picture[3 * i + c] = rintf (CLAMP (pixels[4 * i + c] + 1.0f - pixels[4 * i + 3], 0.0f, 1.0f) * 255.0f) / 255.0f;
}

gboolean
pm_placement_set_start (const PmPlace *place, PmRequest *request, GError **error)
{
  gsize          n = (gsize) request->width * request->height;
  PmPlacement    at;
  PmWindowSource source = { .is_mirrored = TRUE, .format = babl_format ("R'aG'aB'aA float"), .n_channels = 4 };
  g_autoptr (GeglBuffer) buffer = NULL;
  g_autofree float  *pixels = NULL, *picture = NULL;
  g_autofree guint8 *mask = NULL;

  if (! pm_target_has_start (place->target) || request->width < 1 || request->height < 1)
    return TRUE;
  pixels = g_try_malloc_n (n, 4 * sizeof (float));
  picture = g_try_malloc_n (n, 3 * sizeof (float));
  if (! pixels || ! picture)
    return fail_memory (error);

  buffer = gimp_drawable_get_buffer (GIMP_DRAWABLE (layer_of (place)));
  source.buffer = buffer;
  source.domain = layer_bounds (layer_of (place));
  cover_target (place, request->width, request->height, &at);
  if (! read_covered (&source, &at, request->width, request->height, pixels))
    return fail_memory (error);
  lay_on_white (n, pixels, picture);
  if (! pm_request_set_start (request, picture, request->width, request->height))
    return fail_memory (error);
  if (place->target != PM_TARGET_INTO_SELECTION)
    return TRUE;
  mask = read_selection (place, request);
  return (mask && pm_request_set_mask (request, mask, request->width, request->height)) || fail_memory (error);
}
