#include "app/mta_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "mail/reply_code.h"

namespace sluice::app {
namespace {

constexpr std::size_t kMaxReplyBytes = 64 * 1024;
constexpr int kTimeoutSeconds = 60;

bool is_code(std::string_view line) {
  return line.size() >= 3 && std::all_of(line.begin(), line.begin() + 3,
                                         [](unsigned char c) { return std::isdigit(c) != 0; });
}

// "550-5.7.1 text": the parts behind the code of one line.
void take_line(std::string_view line, MtaReply& reply) {
  reply.code = std::stoi(std::string(line.substr(0, 3)));
  std::string_view rest = line.substr(std::min<std::size_t>(4, line.size()));
  const std::string_view word = rest.substr(0, rest.find(' '));
  if (const auto status = mail::EnhancedStatus::parse(word)) {
    reply.status = status->to_string();
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
  }
  reply.text += (reply.text.empty() ? "" : " ") + std::string(rest);
}

}  // namespace

MtaClient::~MtaClient() { close(); }

void MtaClient::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  buffer_.clear();
}

MtaReply MtaClient::connect(const std::string& host, std::uint16_t port) {
  close();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{kTimeoutSeconds, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1 ||
      ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return {};
  return read_reply();
}

bool MtaClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

MtaReply MtaClient::command(const std::string& line) {
  return send(line + "\r\n") ? read_reply() : MtaReply{};
}

MtaReply MtaClient::content(const std::string& message) {
  std::string wire;
  bool at_start = true;
  for (const char c : message) {
    if (at_start && c == '.') wire += '.';
    wire += c;
    at_start = c == '\n';
  }
  if (!at_start) wire += "\r\n";
  return send(wire + ".\r\n") ? read_reply() : MtaReply{};
}

MtaReply MtaClient::read_reply() {
  MtaReply reply;
  for (;;) {
    const std::size_t end = buffer_.find("\r\n");
    if (end == std::string::npos) {
      char bytes[4096];
      const ssize_t n = buffer_.size() < kMaxReplyBytes ? ::recv(fd_, bytes, sizeof bytes, 0) : 0;
      if (n <= 0) return {};
      buffer_.append(bytes, static_cast<std::size_t>(n));
      continue;
    }
    const std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    if (!is_code(line)) return {};
    take_line(line, reply);
    if (line.size() < 4 || line[3] != '-') return reply;
  }
}

}  // namespace sluice::app
