/* AT-SPI by polling: events would be quicker, but a poll cannot miss one. The client's cache is cleared before each look. */
#include "screen.h"

#include <string.h>

#define POLL_US 100000
#define MAX_DEPTH 40
#define ANSWER_MS 30000

void
screen_init (void)
{
  atspi_init ();
  atspi_set_timeout (ANSWER_MS, ANSWER_MS);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* AT-SPI warns of a program that ends while it is asked */
}

static AtspiAccessible *
child_at (AtspiAccessible *accessible, int index)
{
  return atspi_accessible_get_child_at_index (accessible, index, NULL);
}

static int
count_children (AtspiAccessible *accessible)
{
  return CLAMP (atspi_accessible_get_child_count (accessible, NULL), 0, 2000);
}

AtspiAccessible *
screen_app (const char *name)
{
  AtspiAccessible *desktop = atspi_get_desktop (0);
  AtspiAccessible *found = NULL;

  atspi_accessible_clear_cache (desktop);
  for (int i = 0; i < count_children (desktop) && ! found; i++)
    {
      AtspiAccessible *app = child_at (desktop, i);
      g_autofree char *app_name = app ? atspi_accessible_get_name (app, NULL) : NULL;

      if (app_name && strstr (app_name, name))
        found = app;
      else
        g_clear_object (&app);
    }
  g_object_unref (desktop);
  return found;
}

static gboolean
matches (AtspiAccessible *accessible, AtspiRole role, const char *name)
{
  g_autofree char *own = NULL;

  if (atspi_accessible_get_role (accessible, NULL) != role)
    return FALSE;
  own = atspi_accessible_get_name (accessible, NULL);
  return own && g_str_has_prefix (own, name);
}

static AtspiAccessible *
search (AtspiAccessible *root, AtspiRole role, const char *name, int depth)
{
  AtspiAccessible *found = NULL;

  if (depth > MAX_DEPTH)
    return NULL;
  for (int i = 0; i < count_children (root) && ! found; i++)
    {
      AtspiAccessible *child = child_at (root, i);

      if (! child)
        continue;
      if (matches (child, role, name))
        return child;
      found = search (child, role, name, depth + 1);
      g_object_unref (child);
    }
  return found;
}

AtspiAccessible *
screen_find (const char *app_name, AtspiRole role, const char *name, double seconds)
{
  gint64 until = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);

  do
    {
      AtspiAccessible *app = screen_app (app_name);
      AtspiAccessible *found = NULL;

      if (app)
        {
          atspi_accessible_clear_cache (app);
          found = search (app, role, name, 0);
          g_object_unref (app);
        }
      if (found)
        return found;
      g_usleep (POLL_US);
    }
  while (g_get_monotonic_time () < until);
  return NULL;
}

gboolean
screen_wait_absent (const char *app, AtspiRole role, const char *name, double seconds)
{
  gint64 until = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);

  do
    {
      AtspiAccessible *found = screen_find (app, role, name, 0.0);

      if (! found)
        return TRUE;
      g_object_unref (found);
      g_usleep (POLL_US);
    }
  while (g_get_monotonic_time () < until);
  return FALSE;
}

gboolean
screen_wait_gone (const char *app_name, double seconds)
{
  gint64 until = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);

  do
    {
      AtspiAccessible *app = screen_app (app_name);

      if (! app)
        return TRUE;
      g_object_unref (app);
      g_usleep (POLL_US);
    }
  while (g_get_monotonic_time () < until);
  return FALSE;
}

gboolean
screen_is_sensitive (AtspiAccessible *accessible)
{
  AtspiStateSet *states;
  gboolean sensitive;

  atspi_accessible_clear_cache (accessible);
  states = atspi_accessible_get_state_set (accessible);
  sensitive = atspi_state_set_contains (states, ATSPI_STATE_SENSITIVE);
  g_object_unref (states);
  return sensitive;
}

gboolean
screen_act (AtspiAccessible *accessible)
{
  AtspiAction *action = atspi_accessible_get_action_iface (accessible);
  gboolean done = action && atspi_action_do_action (action, 0, NULL);

  g_clear_object (&action);
  return done;
}

gboolean
screen_click (const char *app, AtspiRole role, const char *name, double seconds)
{
  gint64   until = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);
  gboolean done = FALSE;

  do
    {
      AtspiAccessible *found = screen_find (app, role, name, seconds);

      done = found && screen_is_sensitive (found) && screen_act (found);
      g_clear_object (&found);
      if (! done)
        g_usleep (POLL_US);
    }
  while (! done && g_get_monotonic_time () < until);
  return done;
}

gboolean
screen_type (AtspiAccessible *entry, const char *text)
{
  AtspiEditableText *editable = entry ? atspi_accessible_get_editable_text_iface (entry) : NULL;
  gboolean done = editable && atspi_editable_text_set_text_contents (editable, text, NULL);

  g_clear_object (&editable);
  return done;
}

gboolean
screen_set_value (AtspiAccessible *accessible, double value)
{
  AtspiValue *values = accessible ? atspi_accessible_get_value_iface (accessible) : NULL;
  gboolean done = values && atspi_value_set_current_value (values, value, NULL);

  g_clear_object (&values);
  return done;
}

static void
collect_labels (AtspiAccessible *root, GString *text, int depth)
{
  for (int i = 0; depth < MAX_DEPTH && i < count_children (root); i++)
    {
      AtspiAccessible *child = child_at (root, i);

      if (! child)
        continue;
      if (atspi_accessible_get_role (child, NULL) == ATSPI_ROLE_LABEL)
        {
          g_autofree char *name = atspi_accessible_get_name (child, NULL);

          g_string_append_printf (text, "%s\n", name ? name : "");
        }
      collect_labels (child, text, depth + 1);
      g_object_unref (child);
    }
}

char *
screen_labels (const char *app_name)
{
  GString *text = g_string_new (NULL);
  AtspiAccessible *app = screen_app (app_name);

  if (app)
    {
      atspi_accessible_clear_cache (app);
      collect_labels (app, text, 0);
      g_object_unref (app);
    }
  return g_string_free (text, FALSE);
}

gboolean
screen_choose (const char *app, const char *combo, const char *item)
{
  gint64           until = g_get_monotonic_time () + (gint64) (SCREEN_PATIENCE * G_USEC_PER_SEC);
  AtspiAccessible *box = screen_find (app, ATSPI_ROLE_COMBO_BOX, combo, SCREEN_PATIENCE);
  gboolean         done = FALSE;

  while (box && ! done && g_get_monotonic_time () < until)
    {
      AtspiAccessible *choice;

      screen_act (box);
      choice = search (box, ATSPI_ROLE_MENU_ITEM, item, 0);
      done = choice && screen_act (choice);
      g_clear_object (&choice);
      if (! done)
        g_usleep (POLL_US);
    }
  g_clear_object (&box);
  return done;
}

void
screen_shoot (const char *name)
{
  const char *folder = g_getenv ("PENTIMENTO_SCREENSHOTS");
  g_autofree char *file = folder ? g_strdup_printf ("%s/%s.png", folder, name) : NULL;
  const char *argv[] = { "import", "-window", "root", file, NULL };

  g_usleep (300000);
  if (folder)
    g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, NULL, NULL,
                  NULL);
}
