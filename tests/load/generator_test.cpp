#include "load/generator.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <thread>

#include "../socket_folder.h"
#include "milter_peer/frame.h"
#include "milter_peer/protocol.h"

using namespace sluice;
using namespace std::chrono_literals;

namespace {

// Takes one connection: body and header without an answer, everything else with "continue". It
// reads a little at a time, so that the generator cannot send a large body in one go.
class SlowReader {
 public:
  SlowReader() {
    std::string pattern = (sluice::testing::socket_folder() / "sluice-load-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_, 8) == 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~SlowReader() {
    thread_.join();
    ::close(listener_);
    std::filesystem::remove_all(folder_);
  }
  std::string path() const { return folder_ + "/filter.sock"; }

  std::atomic<std::size_t> messages{0};
  std::atomic<std::size_t> body_bytes{0};  // of the messages that came to their end

 private:
  void serve() {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    peer::FrameReader frames;
    std::array<char, 4000> buffer;
    std::size_t body = 0;
    for (ssize_t got; (got = ::read(fd, buffer.data(), buffer.size())) > 0;) {
      frames.feed({buffer.data(), static_cast<std::size_t>(got)});
      std::string out;
      while (const auto frame = frames.next()) answer(*frame, body, out);
      if (!out.empty() && ::send(fd, out.data(), out.size(), MSG_NOSIGNAL) < 0) break;
    }
    ::close(fd);
  }
  void answer(const peer::Frame& frame, std::size_t& body, std::string& out) {
    switch (frame.code) {
      case 'O': {
        std::string flags;
        peer::append_u32(flags, peer::kProtocolVersion);
        peer::append_u32(flags, 0);
        peer::append_u32(flags, peer::kSilentHeader | peer::kSilentBody | peer::kNoData);
        return peer::append_frame(out, 'O', flags);
      }
      case 'B':
        body += frame.body.size();
        return;
      case 'E':
        ++messages;
        body_bytes += body;
        body = 0;
        break;
      case 'D':
      case 'L':
      case 'A':
      case 'Q':
        return;
      default:
        break;
    }
    peer::append_frame(out, 'c', {});
  }

  std::string folder_;
  int listener_ = -1;
  std::thread thread_;
};

}  // namespace

TEST_CASE("generator: a body that the filter reads slowly arrives whole") {
  constexpr std::size_t kBody = 3'000'000;
  load::Counts counts;
  for (const auto length : {2s, 10s, 60s}) {  // until one is through: a busy machine is slow
    SlowReader filter;
    load::LoadOptions options;
    options.endpoint = *peer::Endpoint::parse("unix:" + filter.path());
    options.connections = 1;
    options.messages = 1'000'000;  // one session: the filter takes one connection
    options.body_bytes = kBody;
    const load::Time begin = std::chrono::steady_clock::now();
    {
      load::Generator generator(options, {begin, begin + length}, 0);
      generator.run();
      counts = generator.counts();
    }
    CHECK(counts.failures == 0);
    CHECK(filter.messages >= counts.messages);
    CHECK(filter.body_bytes == filter.messages * kBody);
    if (counts.messages > 0) break;
  }
  CHECK(counts.messages > 0);
}
