#include "attack.h"

#include <sys/socket.h>

#include <array>
#include <thread>

#include "malformed_stream.h"

namespace sluice::wire_test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxRefused = 1000;
constexpr auto kSendPatience = 200ms;

void drop_answers(const peer::Link& link) {
  std::array<char, 4096> buffer;
  while (::recv(link.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
  }
}

bool drip(peer::Link& link, const std::string& piece) {
  for (const char byte : piece)
    if (!link.send({&byte, 1}, kSendPatience)) return false;
  return true;
}

// Sends one session's pieces until the filter closes; how many were sent.
std::size_t play(peer::Link& link, const std::vector<std::string>& pieces,
                 MalformedStream& stream) {
  std::size_t sent = 0;
  for (const std::string& piece : pieces) {
    ++sent;
    const bool in_drips = piece.size() < 200 && stream.below(16) == 0;
    if (!(in_drips ? drip(link, piece) : link.send(piece, kSendPatience).has_value())) break;
    drop_answers(link);
  }
  return sent;
}

void leave(peer::Link& link, MalformedStream& stream) {
  switch (stream.below(8)) {
    case 0:
      link.abort();
      break;
    case 1:
      ::shutdown(link.fd(), SHUT_WR);
      link.sees_close(20ms);
      break;
    default:
      link.close();
      break;
  }
}

}  // namespace

AttackResult attack(const peer::Endpoint& endpoint, std::uint32_t seed, std::size_t frames,
                    double rate) {
  MalformedStream stream(seed);
  AttackResult result;
  const auto begin = Clock::now();
  while (result.frames < frames && result.refused < kMaxRefused) {
    const auto pieces = stream.next_session();
    auto link = peer::Link::open(endpoint);
    if (!link) {
      ++result.refused;
      std::this_thread::sleep_for(1ms);
      continue;
    }
    ++result.sessions;
    result.frames += play(*link, pieces, stream);
    leave(*link, stream);
    if (rate > 0)
      std::this_thread::sleep_until(
          begin + std::chrono::duration_cast<Clock::duration>(
                      std::chrono::duration<double>(static_cast<double>(result.frames) / rate)));
  }
  return result;
}

}  // namespace sluice::wire_test
