#include "app/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace sluice::app {
namespace {

constexpr std::array kTaken = {SIGHUP, SIGTERM, SIGINT, SIGUSR1};

// Handlers write the signal's number here, next_signal reads it.
std::array<int, 2>& pipe_ends() {
  static std::array<int, 2> ends{-1, -1};
  return ends;
}

void write_to_pipe(int number) {
  const int saved = errno;
  const auto byte = static_cast<unsigned char>(number);
  [[maybe_unused]] const ssize_t n =
      ::write(pipe_ends()[1], &byte, 1);  // full: the same signals wait there already
  errno = saved;
}

sigset_t taken_set() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kTaken) sigaddset(&set, number);
  return set;
}

}  // namespace

void block_signals() {
  const sigset_t set = taken_set();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

void take_signals() {
  if (::pipe2(pipe_ends().data(), O_CLOEXEC | O_NONBLOCK) != 0) return;
  struct sigaction action {};
  action.sa_handler = write_to_pipe;
  action.sa_flags = SA_RESTART;
  for (const int number : kTaken) ::sigaction(number, &action, nullptr);
  const sigset_t set = taken_set();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

Signal next_signal(int milliseconds) {
  pollfd place{pipe_ends()[0], POLLIN, 0};
  if (::poll(&place, 1, milliseconds) <= 0) return Signal::None;
  unsigned char byte = 0;
  if (::read(pipe_ends()[0], &byte, 1) != 1) return Signal::None;
  if (byte == SIGHUP) return Signal::Reload;
  return byte == SIGUSR1 ? Signal::ReopenLog : Signal::Stop;
}

}  // namespace sluice::app
