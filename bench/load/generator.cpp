#include "load/generator.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "milter_peer/requests.h"

namespace sluice::load {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t kMaxScripts = 64;  // negotiations that differ, in one run
constexpr auto kRetryAfter = std::chrono::milliseconds(10);
constexpr std::size_t kEventsAtOnce = 512;

Time now() { return std::chrono::steady_clock::now(); }

// What the socket takes now; nullopt when the connection is broken.
std::optional<std::size_t> send_some(int fd, std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t sent =
        ::send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return std::nullopt;
    if (sent < 0) break;
    done += static_cast<std::size_t>(sent);
  }
  return done;
}

}  // namespace

void Counts::merge(const Counts& other) {
  for (std::size_t i = 0; i < latency.size(); ++i) latency[i].merge(other.latency[i]);
  attach.merge(other.attach);
  all.merge(other.all);
  messages += other.messages;
  refused += other.refused;
  sessions += other.sessions;
  replies += other.replies;
  failures += other.failures;
}

Generator::Generator(const LoadOptions& options, Window window, std::size_t first_client)
    : options_(options),
      window_(window),
      next_client_(first_client),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      connections_(options.connections),
      next_arrival_(now()) {
  for (std::size_t slot = 0; slot < connections_.size(); ++slot) {
    if (options_.rate > 0) {
      free_slots_.push_back(slot);
    } else {
      // Spread over one pause, so that the clients do not act in step.
      schedule(slot, now() + options_.pause * slot / connections_.size());
    }
  }
}

Generator::~Generator() { ::close(epoll_); }

void Generator::run() {
  std::array<epoll_event, kEventsAtOnce> events;
  for (Time at = now(); at < window_.end; at = now()) {
    start_arrivals(at);
    run_timers(at);
    const auto wait = until_next(at).count();
    const timespec timeout{wait / 1'000'000'000, wait % 1'000'000'000};
    const int ready = ::epoll_pwait2(epoll_, events.data(), events.size(), &timeout, nullptr);
    for (int i = 0; i < ready; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      on_event(event.data.u64, event.events);
    }
  }
}

void Generator::schedule(std::size_t slot, Time at) {
  timers_.push({at, slot, connections_[slot].generation});
}

void Generator::start_arrivals(Time at) {
  if (options_.rate <= 0) return;
  const auto step = std::chrono::duration_cast<nanoseconds>(
      std::chrono::duration<double>(static_cast<double>(options_.messages) / options_.rate));
  for (; next_arrival_ <= at; next_arrival_ += step) late_.push_back(next_arrival_);
  while (!late_.empty() && !free_slots_.empty()) {
    const std::size_t slot = free_slots_.back();
    const Time due = late_.front();
    free_slots_.pop_back();
    late_.pop_front();
    begin(slot, due);
  }
}

void Generator::run_timers(Time at) {
  while (!timers_.empty() && timers_.top().at <= at) {
    const Timer timer = timers_.top();
    timers_.pop();
    Connection& connection = connections_[timer.slot];
    if (timer.generation != connection.generation) continue;
    if (connection.link.is_open()) {
      proceed(timer.slot, timer.at);
    } else {
      begin(timer.slot, timer.at);
    }
  }
}

nanoseconds Generator::until_next(Time at) const {
  Time next = window_.end;
  if (!timers_.empty()) next = std::min(next, timers_.top().at);
  if (options_.rate > 0 && !free_slots_.empty()) next = std::min(next, next_arrival_);
  return std::max(nanoseconds(0), std::chrono::duration_cast<nanoseconds>(next - at));
}

void Generator::begin(std::size_t slot, Time due) {
  Connection& connection = connections_[slot];
  auto link = peer::Link::open(options_.endpoint);
  if (!link) return fail(slot);
  connection.link = std::move(*link);
  connection.frames = {};
  connection.conversation =
      Conversation(options_.messages, options_.first_client + next_client_++ % options_.clients);
  connection.script = nullptr;
  connection.due = due;
  connection.is_waiting = true;
  watch(connection, slot, EPOLL_CTL_ADD);
  out_.clear();
  peer::append_negotiate(out_, {});
  if (!send(connection, out_, slot)) fail(slot);
}

// The session is over: the next one begins at once, or when it is due.
void Generator::finish(std::size_t slot) {
  Connection& connection = connections_[slot];
  connection.link.close();
  connection.drop_unsent();
  ++connection.generation;
  if (options_.rate > 0) {
    free_slots_.push_back(slot);
  } else {
    schedule(slot, now());
  }
}

void Generator::fail(std::size_t slot) {
  Connection& connection = connections_[slot];
  if (counts_at(now())) ++counts_.failures;
  connection.link.close();
  connection.drop_unsent();
  ++connection.generation;
  if (options_.rate > 0) {
    free_slots_.push_back(slot);
  } else {
    schedule(slot, now() + kRetryAfter);
  }
}

void Generator::on_event(std::size_t slot, std::uint32_t events) {
  Connection& connection = connections_[slot];
  if (!connection.link.is_open()) return;
  if ((events & EPOLLOUT) != 0 && !connection.unsent.empty()) {
    const std::string_view rest = std::string_view(connection.unsent).substr(connection.unsent_at);
    const auto sent = send_some(connection.link.fd(), rest);
    if (!sent) return fail(slot);
    connection.unsent_at += *sent;
    if (*sent == rest.size()) {
      connection.drop_unsent();
      watch(connection, slot, EPOLL_CTL_MOD);
    }
  }
  if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) read(slot, now());
}

void Generator::read(std::size_t slot, Time at) {
  static thread_local std::array<char, 65536> buffer;
  Connection& connection = connections_[slot];
  const ssize_t got = ::recv(connection.link.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return fail(slot);
  connection.frames.feed({buffer.data(), static_cast<std::size_t>(got)});
  while (const auto frame = connection.frames.next()) {
    if (!take(slot, *frame, at)) return fail(slot);
    if (!connection.link.is_open()) return;
  }
  if (connection.frames.is_broken()) fail(slot);
}

// One frame of the filter; false when no filter may send it now.
bool Generator::take(std::size_t slot, const peer::Frame& frame, Time at) {
  Connection& connection = connections_[slot];
  if (!connection.is_waiting) return false;
  if (connection.script == nullptr) {
    auto known = scripts_.find(frame.body);
    if (known == scripts_.end()) {
      const auto negotiation = peer::parse_negotiation(frame.body);
      if (!negotiation || frame.code != static_cast<char>(peer::Command::Negotiate)) return false;
      if (scripts_.size() >= kMaxScripts) return false;
      known =
          scripts_
              .emplace(std::string(frame.body), std::make_unique<Script>(options_, *negotiation))
              .first;
    }
    connection.script = known->second.get();
    if (counts_at(at)) counts_.attach.record(at - connection.due);
    proceed(slot, at);
    return true;
  }
  const peer::AnswerPart part = peer::part_of(frame);
  if (part != peer::AnswerPart::Final) return part != peer::AnswerPart::Invalid;
  record(connection, at);
  const auto code = static_cast<peer::AnswerCode>(frame.code);
  const auto outcome = connection.conversation.take(*connection.script, code);
  if (counts_at(at)) {
    counts_.messages += outcome == Conversation::Outcome::Delivered;
    counts_.refused += outcome == Conversation::Outcome::Refused;
    counts_.replies += code == peer::AnswerCode::ReplyCode || code == peer::AnswerCode::Reject ||
                       code == peer::AnswerCode::Tempfail;
  }
  proceed(slot, at);
  return true;
}

void Generator::record(const Connection& connection, Time at) {
  if (!counts_at(at)) return;
  const auto event = static_cast<std::size_t>(connection.conversation.awaited());
  counts_.latency[event].record(at - connection.due);
  counts_.all.record(at - connection.due);
}

void Generator::proceed(std::size_t slot, Time due) {
  Connection& connection = connections_[slot];
  out_.clear();
  const auto need =
      connection.conversation.proceed(*connection.script, options_.pause.count() > 0, out_);
  connection.due = due;
  connection.is_waiting = need == Conversation::Need::Answer;
  if (!send(connection, out_, slot)) return fail(slot);
  if (need == Conversation::Need::Pause) schedule(slot, due + options_.pause);
  if (need == Conversation::Need::End) {
    if (counts_at(due)) ++counts_.sessions;
    finish(slot);
  }
}

bool Generator::send(Connection& connection, std::string_view bytes, std::size_t slot) {
  if (!connection.unsent.empty()) {
    connection.unsent += bytes;
    return true;
  }
  const auto sent = send_some(connection.link.fd(), bytes);
  if (!sent) return false;
  if (*sent == bytes.size()) return true;
  connection.unsent = bytes.substr(*sent);
  watch(connection, slot, EPOLL_CTL_MOD);
  return true;
}

void Generator::watch(const Connection& connection, std::size_t slot, int operation) const {
  epoll_event event{};
  event.events = EPOLLIN;
  if (!connection.unsent.empty()) event.events |= EPOLLOUT;
  event.data.u64 = slot;
  ::epoll_ctl(epoll_, operation, connection.link.fd(), &event);
}

}  // namespace sluice::load
