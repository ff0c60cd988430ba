#include "milter/acceptor.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <future>

#include "milter/socket_address.h"

namespace sluice::milter::wire {
namespace {

constexpr int kAcceptsAtOnce = 64;

template <class List, class Matches>
bool empty_or_any(const List& list, Matches matches) {
  return list.empty() || std::any_of(list.begin(), list.end(), matches);
}

}  // namespace

bool is_allowed(int fd, const ListeningPlace& place) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* generic = reinterpret_cast<sockaddr*>(&storage);
  if (::getpeername(fd, generic, &length) != 0) return false;
  if (const auto address = address_of(generic))
    return empty_or_any(place.allow_from, [&](const Network& n) { return n.contains(*address); });
  if (place.allow_users.empty()) return true;
  ucred who{};
  length = sizeof who;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0) return false;
  return empty_or_any(place.allow_users, [&](uid_t user) { return user == who.uid; });
}

class Acceptor::Door final : public backends::Watched {
 public:
  Door(Acceptor& acceptor, ListeningPlace where) : acceptor_(acceptor), where_(std::move(where)) {
    place_.at = where_.at;
    ::fcntl(where_.fd, F_SETFL, ::fcntl(where_.fd, F_GETFL) | O_NONBLOCK);
  }
  ~Door() { close(); }
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  void open() { acceptor_.loop_.watch(where_.fd, EPOLLIN, *this); }
  void shut() { acceptor_.loop_.forget(where_.fd); }
  void close() {
    if (where_.fd >= 0) ::close(where_.fd);
    where_.fd = -1;
  }
  void on_ready(std::uint32_t) override {
    for (int i = 0; i < kAcceptsAtOnce; ++i) {
      if (!acceptor_.has_room()) return acceptor_.pause();
      const int fd = accept();
      if (fd >= 0) {
        admit(fd);
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        return acceptor_.pause();
      } else if (errno != ECONNABORTED && errno != EINTR) {
        return;
      }
    }
  }
  int accept() { return ::accept4(where_.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); }
  Place& place() { return place_; }

 private:
  void admit(int fd) {
    acceptor_.short_since_ = {};
    if (!is_allowed(fd, where_)) {
      ++place_.not_allowed;
      ::close(fd);
      return;
    }
    ++place_.accepted;
    acceptor_.take_(fd, place_);
  }

  Acceptor& acceptor_;
  ListeningPlace where_;
  Place place_;
};

Acceptor::Acceptor(backends::EventLoop& loop, std::vector<ListeningPlace> places, Options options,
                   CountOpen count_open, Take take)
    : loop_(loop),
      options_(options),
      count_open_(std::move(count_open)),
      take_(std::move(take)),
      spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {
  for (ListeningPlace& place : places)
    doors_.push_back(std::make_unique<Door>(*this, std::move(place)));
}

Acceptor::~Acceptor() {
  stop();
  if (spare_ >= 0) ::close(spare_);
}

void Acceptor::start() {
  loop_.post([this] {
    for (const auto& door : doors_) door->open();
  });
}

void Acceptor::stop() {
  if (is_stopped_) return;
  is_stopped_ = true;
  std::promise<void> done;
  loop_.post([this, &done] {
    loop_.cancel(timer_);
    for (const auto& door : doors_) {
      door->shut();
      door->close();
    }
    done.set_value();
  });
  done.get_future().wait();
}

// No descriptors, or as many connections as there may be: looking at the listening sockets would
// only turn in a circle.
void Acceptor::pause() {
  if (is_paused_) return;
  is_paused_ = true;
  if (short_since_ == backends::EventLoop::Steady::time_point{}) short_since_ = loop_.now();
  for (const auto& door : doors_) door->shut();
  timer_ = loop_.in(options_.retry, [this] { retry(); });
}

void Acceptor::retry() {
  if (!has_room() && loop_.now() - short_since_ < options_.patience) {
    timer_ = loop_.in(options_.retry, [this] { retry(); });
    return;
  }
  if (loop_.now() - short_since_ >= options_.patience) turn_away();
  is_paused_ = false;
  for (const auto& door : doors_) door->open();
}

void Acceptor::turn_away() {
  if (has_room() && spare_ >= 0) {
    // Perhaps there are descriptors again: then nobody has to go.
    if (const int probe = ::open("/dev/null", O_RDONLY | O_CLOEXEC); probe >= 0) {
      ::close(probe);
      return;
    }
  }
  ::close(spare_);
  for (const auto& door : doors_) {
    for (int i = 0; i < kAcceptsAtOnce; ++i) {
      const int fd = door->accept();
      if (fd < 0) break;
      ::close(fd);
      ++door->place().turned_away;
    }
  }
  spare_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

std::vector<PlaceCounts> Acceptor::counts() const {
  std::vector<PlaceCounts> all;
  for (const auto& door : doors_) {
    const Place& place = door->place();
    all.push_back({place.at, place.open, place.accepted, place.not_allowed, place.turned_away});
  }
  return all;
}

}  // namespace sluice::milter::wire
