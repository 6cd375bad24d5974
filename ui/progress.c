/* The progress window. The worker only copies its report under a lock; a timer on the main thread shows it, so that a fast
 * sampler cannot flood the main loop. */
#include "ui/progress.h"

#include <math.h>

#include "ui/i18n.h"

#define REFRESH_MS 100
#define PREVIEW_SIDE 256 /* of the longer side, in pixels of the screen */

typedef struct
{
  GtkWidget *heading, *preview, *status, *time, *bar, *cancel;
  GMutex     lock;
  PmProgress report;   /* under lock, as the next two; what it borrows is owned there */
  char      *stage;
  GdkPixbuf *picture;  /* the last preview, until it is shown */
  PmJob     *job;
  GMainLoop *loop;
  PmTaskFunc func;
  gpointer   data;
  gboolean   result, cancelled;
  GError    *error;
} Progress;

static Progress *
progress_of (GtkWidget *window)
{
  return g_object_get_data (G_OBJECT (window), "pm-progress");
}

char *
pm_progress_time_text (double seconds)
{
  int rounded = seconds < 60.0 ? (int) ceil (seconds) : (int) ceil (seconds / 60.0);

  if (! (seconds >= 0.0) || seconds > 1e7)
    return g_strdup ("");
  if (seconds < 60.0)
    return g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "about %d second left", "about %d seconds left", rounded), rounded);
  return g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "about %d minute left", "about %d minutes left", rounded), rounded);
}

/* The preview as GTK draws it; NULL when there is none or memory is short. */
static GdkPixbuf *
preview_pixbuf (const PmProgress *report)
{
  int        width = report->preview_width, height = report->preview_height;
  GdkPixbuf *pixbuf = report->preview ? gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, width, height) : NULL;

  for (int y = 0; pixbuf && y < height; y++)
    {
      guint8 *row = gdk_pixbuf_get_pixels (pixbuf) + (gsize) y * gdk_pixbuf_get_rowstride (pixbuf);
      for (int i = 0; i < 3 * width; i++)
        row[i] = (guint8) (CLAMP (report->preview[(gsize) y * 3 * width + i], 0.0f, 1.0f) * 255.0f + 0.5f);
    }
  return pixbuf;
}

/* In the worker. */
static void
report_cb (const PmProgress *report, gpointer data)
{
  Progress *progress = data;
  g_autoptr (GdkPixbuf) picture = preview_pixbuf (report);

  g_mutex_lock (&progress->lock);
  if (picture)
    g_set_object (&progress->picture, picture);
  progress->report = *report;
  progress->report.preview = NULL;
  g_set_str (&progress->stage, report->stage ? report->stage : "");
  g_mutex_unlock (&progress->lock);
}

/* Enlarged softly: what a diffusion model foresees at first is a blur, and pixels would say more than is there. */
static void
show_preview (Progress *progress, GdkPixbuf *picture)
{
  double scale = (double) PREVIEW_SIDE / MAX (gdk_pixbuf_get_width (picture), gdk_pixbuf_get_height (picture));
  int    width = MAX ((int) lround (gdk_pixbuf_get_width (picture) * scale), 1);
  int    height = MAX ((int) lround (gdk_pixbuf_get_height (picture) * scale), 1);
  g_autoptr (GdkPixbuf) scaled = gdk_pixbuf_scale_simple (picture, width, height, GDK_INTERP_BILINEAR);

  gtk_image_set_from_pixbuf (GTK_IMAGE (progress->preview), scaled);
  gtk_widget_set_visible (progress->preview, scaled != NULL);
}

static gboolean
refresh_cb (gpointer data)
{
  Progress *progress = data;
  g_autofree char *status = NULL, *time = NULL;
  g_autoptr (GdkPixbuf) picture = NULL;
  double fraction;

  g_mutex_lock (&progress->lock);
  if (progress->report.n_steps > 0)
    status = g_strdup_printf (_("%s: step %d of %d"), progress->stage ? progress->stage : "", progress->report.step,
                              progress->report.n_steps);
  else
    status = g_strdup (progress->stage ? progress->stage : _("Preparing"));
  time = pm_progress_time_text (progress->stage ? progress->report.seconds_left : -1.0);
  fraction = CLAMP (progress->report.fraction, 0.0, 1.0);
  picture = g_steal_pointer (&progress->picture);
  g_mutex_unlock (&progress->lock);

  if (picture)
    show_preview (progress, picture);
  gtk_label_set_text (GTK_LABEL (progress->status), progress->cancelled ? _("Stopping") : status);
  gtk_label_set_text (GTK_LABEL (progress->time), progress->cancelled ? "" : time);
  gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (progress->bar), fraction);
  return G_SOURCE_CONTINUE;
}

static void
cancel (Progress *progress)
{
  progress->cancelled = TRUE;
  gtk_widget_set_sensitive (progress->cancel, FALSE);
  if (progress->job)
    pm_job_cancel (progress->job);
  refresh_cb (progress);
}

static void
cancel_clicked_cb (GtkButton *button, gpointer data)
{
  cancel (data);
}

static gboolean
delete_cb (GtkWidget *window, GdkEvent *event, gpointer data)
{
  cancel (data);
  return TRUE;
}

static gboolean
key_cb (GtkWidget *window, GdkEventKey *event, gpointer data)
{
  if (event->keyval != GDK_KEY_Escape)
    return FALSE;
  cancel (data);
  return TRUE;
}

static gboolean
finished_cb (gpointer data)
{
  Progress *progress = data;

  g_main_loop_quit (progress->loop);
  return G_SOURCE_REMOVE;
}

static gpointer
worker (gpointer data)
{
  Progress *progress = data;

  progress->result = progress->func (progress->job, progress->data, &progress->error);
  g_idle_add (finished_cb, progress);
  return NULL;
}

static void
progress_free (gpointer data)
{
  Progress *progress = data;

  g_mutex_clear (&progress->lock);
  g_clear_object (&progress->picture);
  g_free (progress->stage);
  g_free (progress);
}

static GtkWidget *
add_label (GtkWidget *box, const char *name)
{
  GtkWidget *label = gtk_label_new (NULL);

  gtk_widget_set_name (label, name);
  gtk_label_set_xalign (GTK_LABEL (label), 0.0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_box_pack_start (GTK_BOX (box), label, FALSE, FALSE, 0);
  return label;
}

GtkWidget *
pm_progress_new (const char *title, const char *heading)
{
  Progress  *progress = g_new0 (Progress, 1);
  GtkWidget *window = gtk_window_new (GTK_WINDOW_TOPLEVEL);
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 8);
  GtkWidget *buttons = gtk_button_box_new (GTK_ORIENTATION_HORIZONTAL);

  g_mutex_init (&progress->lock);
  g_object_set_data_full (G_OBJECT (window), "pm-progress", progress, progress_free);
  gtk_window_set_title (GTK_WINDOW (window), title);
  gtk_window_set_default_size (GTK_WINDOW (window), 420, -1);
  gtk_window_set_type_hint (GTK_WINDOW (window), GDK_WINDOW_TYPE_HINT_DIALOG);
  gtk_window_set_position (GTK_WINDOW (window), GTK_WIN_POS_CENTER);
  gtk_widget_set_name (window, "pentimento-progress");
  gtk_container_set_border_width (GTK_CONTAINER (window), 12);
  gtk_container_add (GTK_CONTAINER (window), box);

  progress->heading = add_label (box, "pentimento-progress-heading");
  gtk_label_set_text (GTK_LABEL (progress->heading), heading);
  progress->preview = gtk_image_new ();
  gtk_widget_set_name (progress->preview, "pentimento-progress-preview");
  gtk_widget_set_no_show_all (progress->preview, TRUE); /* until there is one */
  gtk_box_pack_start (GTK_BOX (box), progress->preview, FALSE, FALSE, 0);
  progress->bar = gtk_progress_bar_new ();
  gtk_widget_set_name (progress->bar, "pentimento-progress-bar");
  gtk_box_pack_start (GTK_BOX (box), progress->bar, FALSE, FALSE, 0);
  progress->status = add_label (box, "pentimento-progress-status");
  progress->time = add_label (box, "pentimento-progress-time");

  progress->cancel = gtk_button_new_with_mnemonic (_("_Cancel"));
  gtk_widget_set_name (progress->cancel, "pentimento-progress-cancel");
  gtk_button_box_set_layout (GTK_BUTTON_BOX (buttons), GTK_BUTTONBOX_END);
  gtk_container_add (GTK_CONTAINER (buttons), progress->cancel);
  gtk_box_pack_start (GTK_BOX (box), buttons, FALSE, FALSE, 0);

  g_signal_connect (progress->cancel, "clicked", G_CALLBACK (cancel_clicked_cb), progress);
  g_signal_connect (window, "delete-event", G_CALLBACK (delete_cb), progress);
  g_signal_connect (window, "key-press-event", G_CALLBACK (key_cb), progress);
  gtk_widget_show_all (box);
  return window;
}

gboolean
pm_progress_run (GtkWidget *window, PmTaskFunc func, gpointer data, GError **error)
{
  Progress *progress = progress_of (window);
  GThread  *thread;
  guint     timer;

  progress->func = func;
  progress->data = data;
  progress->job = pm_job_new (report_cb, progress);
  progress->loop = g_main_loop_new (NULL, FALSE);
  refresh_cb (progress);
  gtk_window_present (GTK_WINDOW (window));

  thread = g_thread_try_new ("pentimento-task", worker, progress, error);
  if (thread)
    {
      timer = g_timeout_add (REFRESH_MS, refresh_cb, progress);
      g_main_loop_run (progress->loop);
      g_thread_join (thread);
      g_source_remove (timer);
    }
  gtk_widget_hide (window);
  g_clear_pointer (&progress->loop, g_main_loop_unref);
  g_clear_pointer (&progress->job, pm_job_unref);
  if (! thread)
    return FALSE;

  if (progress->cancelled)
    {
      g_clear_error (&progress->error);
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, _("The run was cancelled."));
      return FALSE;
    }
  if (progress->error)
    g_propagate_error (error, g_steal_pointer (&progress->error));
  return progress->result;
}
