#include "backends/event_loop.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <vector>

using namespace sluice;
using namespace sluice::backends;

namespace {

std::unique_ptr<EventLoop> started() {
  auto loop = EventLoop::start("test loop");
  if (!loop) FAIL(loop.error().what);
  return std::move(*loop);
}

// Runs on the loop and waits for it.
template <class Task>
void on(EventLoop& loop, Task task) {
  std::promise<void> done;
  loop.post([&] {
    task();
    done.set_value();
  });
  done.get_future().get();
}

struct Pair {
  std::array<int, 2> fds{};
  Pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()) == 0); }
  ~Pair() {
    ::close(fds[0]);
    ::close(fds[1]);
  }
};

struct Reader final : Watched {
  EventLoop& loop;
  int fd;
  Reader* other = nullptr;
  std::atomic<int> calls{0};
  std::promise<char> got;
  Reader(EventLoop& l, int f) : loop(l), fd(f) {}
  void on_ready(std::uint32_t) override {
    ++calls;
    if (other != nullptr) loop.forget(other->fd);
    char c = 0;
    if (::read(fd, &c, 1) == 1 && calls == 1) got.set_value(c);
  }
};

}  // namespace

TEST_CASE("what is posted runs in order on the loop's thread") {
  auto loop = started();
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) loop->post([&order, i] { order.push_back(i); });
  bool own = false;
  on(*loop, [&] { own = loop->is_own_thread(); });
  CHECK(own);
  CHECK_FALSE(loop->is_own_thread());
  REQUIRE(order.size() == 100);
  CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("what was posted before the end still runs") {
  std::atomic<int> ran{0};
  {
    auto loop = started();
    for (int i = 0; i < 1000; ++i) loop->post([&] { ++ran; });
  }
  CHECK(ran == 1000);
}

TEST_CASE("a descriptor that becomes readable is told to its owner") {
  auto loop = started();
  Pair pair;
  Reader reader(*loop, pair.fds[0]);
  on(*loop, [&] { loop->watch(pair.fds[0], EPOLLIN, reader); });
  REQUIRE(::write(pair.fds[1], "x", 1) == 1);
  CHECK(reader.got.get_future().get() == 'x');
  on(*loop, [&] { loop->forget(pair.fds[0]); });
}

TEST_CASE("a descriptor forgotten in the same turn is not told, though its event was taken") {
  auto loop = started();
  Pair a, b;
  Reader first(*loop, a.fds[0]), second(*loop, b.fds[0]);
  first.other = &second;
  second.other = &first;
  REQUIRE(::write(a.fds[1], "x", 1) == 1);
  REQUIRE(::write(b.fds[1], "x", 1) == 1);
  on(*loop, [&] {
    loop->watch(a.fds[0], EPOLLIN, first);
    loop->watch(b.fds[0], EPOLLIN, second);
  });
  // Two turns later each event has been told or dropped.
  on(*loop, [] {});
  on(*loop, [] {});
  CHECK(first.calls + second.calls == 1);
  on(*loop, [&] {
    loop->forget(a.fds[0]);
    loop->forget(b.fds[0]);
  });
}

TEST_CASE("timers run once, in the order of their times, and not when cancelled") {
  auto loop = started();
  std::vector<int> order;
  std::promise<void> last;
  on(*loop, [&] {
    loop->in(Duration{60}, [&] {
      order.push_back(3);
      last.set_value();
    });
    loop->in(Duration{30}, [&] { order.push_back(2); });
    loop->in(Duration{0}, [&] { order.push_back(1); });
    const auto never = loop->in(Duration{20}, [&] { order.push_back(9); });
    loop->cancel(never);
    loop->cancel(never);
    loop->cancel(12345);
  });
  last.get_future().get();
  CHECK(order == std::vector<int>{1, 2, 3});
}

TEST_CASE("a timer that sets itself again does not hold up what was posted") {
  auto loop = started();
  std::atomic<bool> stop{false};
  std::function<void()> again = [&] {
    if (!stop) loop->in(Duration{0}, again);
  };
  on(*loop, [&] { again(); });
  for (int i = 0; i < 10; ++i) on(*loop, [] {});
  stop = true;
  on(*loop, [] {});
}
