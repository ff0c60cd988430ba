#include "milter/link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sluice::milter::wire {
namespace {

constexpr Duration kLongestAnswer{600'000};  // whatever the configuration says
constexpr Duration kProgressEvery{10'000};
constexpr int kAnswersAtOnce = 32;  // of one connection before the others have their turn
constexpr std::uint32_t kGone = EPOLLHUP | EPOLLERR;

bool is_tcp_socket(int fd) {
  int family = 0;
  socklen_t length = sizeof family;
  return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length) == 0 && family != AF_UNIX;
}

}  // namespace

Link::Link(Reactor& reactor, Reactor::LinkId id, int fd, Place& place)
    : reactor_(reactor),
      id_(id),
      place_(place),
      session_(reactor.shared()),
      since_(reactor.loop().now()),
      fd_(fd),
      is_tcp_(is_tcp_socket(fd)) {}

Link::~Link() {
  if (timer_ != 0) reactor_.loop().cancel(timer_);
  reactor_.loop().forget(fd_);
  ::close(fd_);
  --place_.open;
}

void Link::begin() {
  if (is_tcp_) {
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  watch(EPOLLIN | EPOLLRDHUP);
}

bool Link::is_overdue(Steady::time_point now) const {
  if (waiting_ != Waiting::Nothing) return false;  // has a timer of its own
  const Patience& patience = reactor_.patience();
  const Duration most = !out_.empty()              ? patience.answer
                        : !in_.empty()             ? patience.frame
                        : session_.is_negotiated() ? patience.idle
                                                   : patience.negotiation;
  return now - since_ > most;
}

void Link::watch(std::uint32_t events) {
  if (events == watched_) return;
  watched_ = events;
  reactor_.loop().watch(fd_, events, *this);
}

// Reading is switched off only when something comes that cannot be taken: most waits see nothing.
void Link::watch_again() {
  std::uint32_t events = EPOLLRDHUP | (watched_ & EPOLLIN);
  if (is_reading()) events |= EPOLLIN;
  if (!out_.empty()) events |= EPOLLOUT;
  watch(events);
}

void Link::on_ready(std::uint32_t events) {
  if (!serve(events)) reactor_.drop(id_);
}

bool Link::serve(std::uint32_t events) {
  if (is_reading()) return read();
  if ((events & kGone) != 0) return false;
  if ((events & EPOLLRDHUP) != 0 && waiting_ != Waiting::Nothing) return false;
  if ((events & EPOLLOUT) != 0) return flush();
  if ((events & EPOLLIN) != 0) watch(watched_ & ~std::uint32_t{EPOLLIN});
  return true;
}

bool Link::read() {
  std::vector<char>& buffer = reactor_.reading();
  const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
  if (in_.empty()) {
    since_ = reactor_.loop().now();
    return run(Next::Frame, bytes);
  }
  in_.append(bytes);
  return go_on(Next::Frame);
}

// Whole frames of `bytes` (the reading buffer, or in_), until there is something to wait for.
bool Link::run(Next next, std::string_view bytes) {
  std::string& out = reactor_.writing();
  out.clear();
  const std::size_t before = bytes.size();
  int answers = 0;
  for (std::size_t written = 0;; answers += out.size() > written ? 1 : 0) {
    written = out.size();
    while (next == Next::Park && !await_round()) next = session_.resume(false, out);
    if (next == Next::Delay) begin_delay();
    if (next == Next::Close || !is_reading()) break;
    if (answers >= kAnswersAtOnce && !bytes.empty()) {
      yield();
      break;
    }
    Frame frame;
    const FrameState state = take_frame(bytes, session_.max_frame(), frame);
    if (state == FrameState::Partial) break;
    if (state == FrameState::Broken) {
      ++reactor_.shared().broken;
      next = Next::Close;
      break;
    }
    next = session_.take(frame, out);
  }
  if (bytes.size() < before) since_ = reactor_.loop().now();
  keep(bytes);
  const bool is_sent = send(out);
  if (!is_sent || next == Next::Close) return false;
  watch_again();
  return true;
}

void Link::keep(std::string_view rest) {
  if (rest.empty()) {
    std::string().swap(in_);  // assigning an empty one would keep the room
  } else if (rest.data() >= in_.data() && rest.data() < in_.data() + in_.size()) {
    in_.erase(0, in_.size() - rest.size());
  } else {
    in_.assign(rest);
  }
}

// --- waiting ---

Duration Link::left() const {
  const Duration left = session_.deadline() - SystemClock().now();
  return std::clamp(left, Duration{0}, kLongestAnswer);
}

// False: nothing is open any more.
bool Link::await_round() {
  const std::uint32_t wait = ++wait_;
  Reactor* reactor = &reactor_;
  const bool is_open = session_.round().on_complete(
      [bell = reactor_.bell(), reactor, id = id_, wait] {
        bell->post([reactor, id, wait] {
          reactor->visit(id, [wait](Link& link) { return link.round_is_complete(wait); });
        });
      });
  if (!is_open) return false;
  waiting_ = Waiting::Round;
  set_timer();
  return true;
}

void Link::set_timer() {
  const Duration until = session_.may_ask_for_patience() ? std::min(left(), kProgressEvery) : left();
  timer_ = reactor_.loop().in(until, [reactor = &reactor_, id = id_, wait = wait_] {
    reactor->visit(id, [wait](Link& link) { return link.time_is_up(wait); });
  });
}

bool Link::round_is_complete(std::uint32_t wait) {
  if (waiting_ != Waiting::Round || wait != wait_) return true;
  reactor_.loop().cancel(std::exchange(timer_, 0));
  waiting_ = Waiting::Nothing;
  std::string out;
  const Next next = session_.resume(false, out);
  return send(out) && go_on(next);
}

bool Link::time_is_up(std::uint32_t wait) {
  if (waiting_ != Waiting::Round || wait != wait_) return true;
  timer_ = 0;
  std::string out;
  if (left() > Duration{0}) {
    if (out_.empty()) session_.ask_for_patience(out);
    set_timer();
    return send(out);
  }
  waiting_ = Waiting::Nothing;
  const Next next = session_.resume(true, out);
  return send(out) && go_on(next);
}

void Link::begin_delay() {
  waiting_ = Waiting::Delay;
  const Duration delay = std::min(session_.delay(), reactor_.shared().resources.delay);
  timer_ = reactor_.loop().in(delay, [reactor = &reactor_, id = id_] {
    reactor->visit(id, [](Link& link) { return link.delay_is_over(); });
  });
}

bool Link::delay_is_over() {
  timer_ = 0;
  waiting_ = Waiting::Nothing;
  std::string out;
  const Next next = session_.say_delayed(out);
  return send(out) && go_on(next);
}

void Link::yield() {
  waiting_ = Waiting::Turn;
  reactor_.loop().post([reactor = &reactor_, id = id_] {
    reactor->visit(id, [](Link& link) {
      link.waiting_ = Waiting::Nothing;
      return link.go_on(Next::Frame);
    });
  });
}

// --- writing ---

bool Link::send(std::string& out) {
  if (out.empty()) {
    acknowledge();
    return true;
  }
  if (!out_.empty()) {
    out_.append(out);
    return true;
  }
  const ssize_t sent = ::send(fd_, out.data(), out.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
  const std::size_t done = sent < 0 ? 0 : static_cast<std::size_t>(sent);
  if (done == out.size()) return true;
  out_.assign(out, done);
  since_ = reactor_.loop().now();
  watch_again();
  return true;
}

bool Link::flush() {
  const ssize_t sent = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  out_.erase(0, static_cast<std::size_t>(sent));
  if (!out_.empty()) return true;
  std::string().swap(out_);
  if (waiting_ == Waiting::Nothing) return go_on(Next::Frame);
  watch_again();
  return true;
}

// What needs no answer is acknowledged at once: over TCP the MTA's next frame would wait 40 ms for
// the acknowledgement that usually travels with an answer.
void Link::acknowledge() const {
  if (!is_tcp_ || waiting_ != Waiting::Nothing) return;
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

}  // namespace sluice::milter::wire
