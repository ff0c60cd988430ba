#include "malformed_stream.h"

#include <algorithm>
#include <array>

#include "milter_peer/frame.h"
#include "milter_peer/requests.h"

namespace sluice::wire_test {
namespace {

using namespace std::string_literals;
using peer::Command;

std::string frame(char code, std::string_view body) {
  std::string out;
  peer::append_frame(out, code, body);
  return out;
}

std::string frame(Command command, std::string_view body = {}) {
  return frame(static_cast<char>(command), body);
}

std::string length(std::uint32_t value) {
  std::string out;
  peer::append_u32(out, value);
  return out;
}

std::string offer() {
  std::string out;
  peer::append_negotiate(out, {});
  return out;
}

}  // namespace

std::string MalformedStream::noise(std::size_t bytes) {
  std::string out(bytes, '\0');
  std::generate(out.begin(), out.end(), [this] { return static_cast<char>(below(256)); });
  return out;
}

std::string MalformedStream::honest_frame() {
  static const std::array<std::string, 12> kFrames = {
      offer(),
      frame(Command::Connect, "host\0"s + "4\0\x19"s + "192.0.2.7\0"s),
      frame(Command::Helo, "mail.far.example\0"s),
      frame(Command::Mail, "<mallory@far.example>\0SIZE=1200\0"s),
      frame(Command::Rcpt, "<bob@here.example>\0NOTIFY=NEVER\0"s),
      frame(Command::Macro, "Mi\0"s + "4fRQ\0{mail_addr}\0mallory@far.example\0"s),
      frame(Command::Data),
      frame(Command::Header, "Subject\0minutes\0"s),
      frame(Command::EndOfHeaders),
      frame(Command::Body, std::string(500, 'x')),
      frame(Command::EndOfBody),
      frame(Command::Abort),
  };
  return kFrames[below(kFrames.size())];
}

// Changes a frame in one of the ways a broken or hostile peer would.
void MalformedStream::spoil(std::string& bytes) {
  constexpr std::array<std::uint32_t, 8> kLies = {0, 1, 2, 65535, 65537, 1u << 20, 1u << 31, ~0u};
  const auto place = [&] { return below(bytes.size()); };
  switch (below(9)) {
    case 0:
      bytes.replace(0, 4, length(kLies[below(kLies.size())]));
      break;
    case 1:
      bytes.resize(4 + below(bytes.size() - 3));  // keeps its length: the next frame is eaten
      break;
    case 2:
      bytes[place()] = static_cast<char>(below(256));
      break;
    case 3:
      bytes.insert(4 + below(bytes.size() - 3), 1 + below(3), '\0');
      break;
    case 4:
      bytes[4] = static_cast<char>(below(256));
      break;
    case 5:
      bytes += noise(1 + below(40));
      break;
    case 6:
      bytes = frame(bytes[4], noise(below(300)));
      break;
    case 7: {  // a well-formed frame whose texts are not what they should be
      std::string body = bytes.substr(5);
      if (!body.empty() && below(2) == 0) body.resize(below(body.size()));
      body.insert(below(body.size() + 1), below(3), '\0');
      bytes = frame(bytes[4], body);
      break;
    }
    default:
      break;  // honest, but nobody said when
  }
}

std::string MalformedStream::next_piece() {
  if (below(20) == 0) return noise(1 + below(200));
  std::string bytes = honest_frame();
  spoil(bytes);
  return bytes;
}

std::vector<std::string> MalformedStream::next_session() {
  std::vector<std::string> pieces;
  // Most sessions negotiate and connect honestly: what is wrong with the first byte goes no deeper.
  if (below(4) != 0) pieces.push_back(offer());
  if (below(4) != 0)
    pieces.push_back(frame(Command::Connect, "host\0"s + "4\0\x19"s + "192.0.2.7\0"s));
  const std::size_t count = 1 + below(16);
  for (std::size_t i = 0; i < count; ++i) pieces.push_back(next_piece());
  return pieces;
}

}  // namespace sluice::wire_test
