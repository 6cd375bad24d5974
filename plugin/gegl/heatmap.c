/* pentimento:heatmap: colours the grey value of each pixel with a palette, as a GEGL operation for GIMP's filters.
 *
 * In: Y'A of the input's own space, so that the number a layer stores is the number looked up. Out: sRGB R'G'B'A.
 * GIMP drops a filter whose op-version differs from a file's, and files store the palette as a number: so the version
 * below never changes, and properties and palettes are append-only. Shares the core's palette.c and nothing else. */
#include <gegl.h>
#include <gegl-plugin.h>
#include <libintl.h>

#include "palette.h"

#define _(text) g_dgettext (GETTEXT_PACKAGE, text)

#define PM_TYPE_HEATMAP (pm_heatmap_get_type ())
G_DECLARE_FINAL_TYPE (PmHeatmap, pm_heatmap, PM, HEATMAP, GeglOperationPointFilter)

struct _PmHeatmap
{
  GeglOperationPointFilter parent_instance;
  PmPalette                palette;
  double                   low, high, gamma;
  gboolean                 alpha_from_value;
  double                   alpha_strength;
};

G_DEFINE_DYNAMIC_TYPE (PmHeatmap, pm_heatmap, GEGL_TYPE_OPERATION_POINT_FILTER)

enum
{
  PROP_0,
  PROP_PALETTE,
  PROP_LOW,
  PROP_HIGH,
  PROP_GAMMA,
  PROP_ALPHA_FROM_VALUE,
  PROP_ALPHA_STRENGTH
};

const GeglModuleInfo *gegl_module_query (GTypeModule *module);
gboolean              gegl_module_register (GTypeModule *module);

static GType palette_type;

static void
pm_heatmap_prepare (GeglOperation *operation)
{
  const Babl *space = gegl_operation_get_source_space (operation, "input");

  gegl_operation_set_format (operation, "input", babl_format_with_space ("Y'A float", space));
  gegl_operation_set_format (operation, "output", babl_format ("R'G'B'A float"));
}

static gboolean
pm_heatmap_process (GeglOperation *operation, void *in_buf, void *out_buf, glong samples, const GeglRectangle *roi, gint level)
{
  PmHeatmap   *self = PM_HEATMAP (operation);
  const float *in = in_buf; /* [samples, 2] */
  float       *out = out_buf; /* [samples, 4] */
  float        strength = self->alpha_from_value ? (float) self->alpha_strength : 0.0f;

  for (glong i = 0; i < samples; i++, in += 2, out += 4)
    {
      float value = pm_palette_scale (in[0], (float) self->low, (float) self->high, (float) self->gamma);

      pm_palette_lookup (self->palette, value, out);
      out[3] = in[1] * (1.0f - strength * (1.0f - value));
    }
  return TRUE;
}

static void
pm_heatmap_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  PmHeatmap *self = PM_HEATMAP (object);

  switch (id)
    {
    case PROP_PALETTE:
      g_value_set_enum (value, self->palette);
      break;
    case PROP_LOW:
      g_value_set_double (value, self->low);
      break;
    case PROP_HIGH:
      g_value_set_double (value, self->high);
      break;
    case PROP_GAMMA:
      g_value_set_double (value, self->gamma);
      break;
    case PROP_ALPHA_FROM_VALUE:
      g_value_set_boolean (value, self->alpha_from_value);
      break;
    case PROP_ALPHA_STRENGTH:
      g_value_set_double (value, self->alpha_strength);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
pm_heatmap_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  PmHeatmap *self = PM_HEATMAP (object);

  switch (id)
    {
    case PROP_PALETTE:
      self->palette = g_value_get_enum (value);
      break;
    case PROP_LOW:
      self->low = g_value_get_double (value);
      break;
    case PROP_HIGH:
      self->high = g_value_get_double (value);
      break;
    case PROP_GAMMA:
      self->gamma = g_value_get_double (value);
      break;
    case PROP_ALPHA_FROM_VALUE:
      self->alpha_from_value = g_value_get_boolean (value);
      break;
    case PROP_ALPHA_STRENGTH:
      self->alpha_strength = g_value_get_double (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

/* GEGL redraws when a property's spec is constructed by its own helpers, which also carry the ranges that GIMP's sliders show. */
static GParamSpec *
number_spec (const char *name, const char *nick, const char *blurb, double low, double high, double value)
{
  return gegl_param_spec_double (name, nick, blurb, low, high, value, MAX (low, 0.0), MIN (high, 4.0), 1.0,
                                 G_PARAM_READWRITE | G_PARAM_CONSTRUCT | GEGL_PARAM_PAD_INPUT);
}

static void
install_properties (GObjectClass *class)
{
  GParamFlags flags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT | GEGL_PARAM_PAD_INPUT;

  g_object_class_install_property (class, PROP_PALETTE,
                                   gegl_param_spec_enum ("palette", _("Palette"), _("Colours from low to high values"),
                                                         palette_type, PM_PALETTE_VIRIDIS, flags));
  g_object_class_install_property (class, PROP_LOW,
                                   number_spec ("low", _("Low"), _("Value that gets the first colour"), -1000.0, 1000.0, 0.0));
  g_object_class_install_property (class, PROP_HIGH,
                                   number_spec ("high", _("High"), _("Value that gets the last colour"), -1000.0, 1000.0, 1.0));
  g_object_class_install_property (class, PROP_GAMMA,
                                   number_spec ("gamma", _("Gamma"), _("Above 1 lifts low values, below 1 lowers them"), 0.05,
                                                20.0, 1.0));
  g_object_class_install_property (class, PROP_ALPHA_FROM_VALUE,
                                   g_param_spec_boolean ("alpha-from-value", _("Alpha from value"),
                                                         _("Low values become transparent"), FALSE, flags));
  g_object_class_install_property (class, PROP_ALPHA_STRENGTH,
                                   number_spec ("alpha-strength", _("Alpha strength"),
                                                _("How far low values fade when alpha comes from the value"), 0.0, 1.0, 1.0));
}

static void
pm_heatmap_class_init (PmHeatmapClass *class)
{
  GeglOperationClass *operation_class = GEGL_OPERATION_CLASS (class);

  G_OBJECT_CLASS (class)->get_property = pm_heatmap_get_property;
  G_OBJECT_CLASS (class)->set_property = pm_heatmap_set_property;
  operation_class->prepare = pm_heatmap_prepare;
  operation_class->opencl_support = FALSE;
  GEGL_OPERATION_POINT_FILTER_CLASS (class)->process = pm_heatmap_process;

  install_properties (G_OBJECT_CLASS (class));
  gegl_operation_class_set_keys (operation_class,
                                 "name", "pentimento:heatmap",
                                 "title", _("Heat Map"),
                                 "categories", "color",
                                 "op-version", "1:0",
                                 "description", _("Colours grey values with a perceptual palette"),
                                 NULL);
}

static void
pm_heatmap_class_finalize (PmHeatmapClass *class)
{
}

static void
pm_heatmap_init (PmHeatmap *self)
{
}

/* One value a palette; kept for the life of the process, as registered types must be. */
static void
register_palettes (GTypeModule *module)
{
  static GEnumValue values[PM_N_PALETTES + 1];
  const char *const names[PM_N_PALETTES] = {
    _("Viridis"), _("Magma"), _("Inferno"), _("Turbo"), _("Cividis"), _("Grey"),
  };

  for (int i = 0; i < PM_N_PALETTES; i++)
    values[i] = (GEnumValue) { i, names[i], pm_palette_id (i) };
  palette_type = g_type_module_register_enum (module, "PmHeatmapPalette", values);
}

G_MODULE_EXPORT const GeglModuleInfo *
gegl_module_query (GTypeModule *module)
{
  static const GeglModuleInfo info = { GEGL_MODULE_ABI_VERSION };

  return &info;
}

/* The plug-in's own process loads this operation too, and has bound the domain to the catalogues beside it by then. */
static void
bind_text_domain (void)
{
  const char *nowhere = bindtextdomain ("pentimento-is-never-bound", NULL);

  if (g_strcmp0 (bindtextdomain (GETTEXT_PACKAGE, NULL), nowhere) != 0)
    return;
  bindtextdomain (GETTEXT_PACKAGE, PM_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
}

G_MODULE_EXPORT gboolean
gegl_module_register (GTypeModule *module)
{
  bind_text_domain ();
  register_palettes (module);
  pm_heatmap_register_type (module);
  return TRUE;
}
