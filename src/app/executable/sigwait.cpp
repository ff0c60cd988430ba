// libmilter starts a thread that waits with sigwait() for SIGHUP, SIGTERM and SIGINT and stops the
// filter on any of them, SIGHUP included. Blocking these signals does not keep it away: a SIGUSR1
// just before a SIGHUP let its thread win most of the time. It imports sigwait, so the executable's
// own definition takes the place of the C library's: a wait without end. Nothing of ours calls
// sigwait; the main thread has handlers.
#include <signal.h>
#include <unistd.h>

extern "C" int sigwait(const sigset_t*, int*) {
  for (;;) ::pause();
}
