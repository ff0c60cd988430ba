/* Loaded into the tests' private Sendmail by LD_PRELOAD.
 *
 * Sendmail logs only through syslog(3): here the lines go to the file named by RIG_LOG. And with a
 * host name that has no dot it sleeps for a minute at each start: here the name is RIG_HOSTNAME.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { kLineBytes = 8192 };

static char log_path[4096];
static char host_name[256] = "localhost.localdomain";

__attribute__((constructor)) static void read_environment(void) {
  const char *path = getenv("RIG_LOG"), *name = getenv("RIG_HOSTNAME");
  if (path) snprintf(log_path, sizeof log_path, "%s", path);
  if (name) snprintf(host_name, sizeof host_name, "%s", name);
}

static void write_line(const char *format, va_list arguments) {
  char line[kLineBytes];
  time_t now = time(NULL);
  struct tm local;
  size_t used = strftime(line, sizeof line, "%b %e %H:%M:%S ", localtime_r(&now, &local));
  used += (size_t)snprintf(line + used, sizeof line - used, "sendmail[%d]: ", (int)getpid());
  int wanted = vsnprintf(line + used, sizeof line - used - 1, format, arguments);
  if (wanted < 0) return;
  used += (size_t)wanted < sizeof line - used - 1 ? (size_t)wanted : sizeof line - used - 2;
  if (line[used - 1] != '\n') line[used++] = '\n';
  int file = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return;
  if (write(file, line, used) < 0) { /* nobody to tell */ }
  close(file);
}

int gethostname(char *name, size_t size) {
  snprintf(name, size, "%s", host_name);
  return 0;
}

void openlog(const char *name, int options, int facility) { (void)name, (void)options, (void)facility; }
void closelog(void) {}
int setlogmask(int mask) { return mask; }

void vsyslog(int priority, const char *format, va_list arguments) {
  (void)priority;
  write_line(format, arguments);
}

void __vsyslog_chk(int priority, int flag, const char *format, va_list arguments) {
  (void)priority, (void)flag;
  write_line(format, arguments);
}

void syslog(int priority, const char *format, ...) {
  va_list arguments;
  (void)priority;
  va_start(arguments, format);
  write_line(format, arguments);
  va_end(arguments);
}

void __syslog_chk(int priority, int flag, const char *format, ...) {
  va_list arguments;
  (void)priority, (void)flag;
  va_start(arguments, format);
  write_line(format, arguments);
  va_end(arguments);
}
