// MtaClient: the SMTP client of mta_dialogue: sends a line, reads a reply. Bounded in time and
// size.
#pragma once
#include <cstdint>
#include <string>

namespace sluice::app {

struct MtaReply {
  int code = 0;              // 0: no reply came
  std::string status, text;  // "5.7.1" when there is one; lines joined by a blank
};

class MtaClient {
 public:
  MtaClient() = default;
  ~MtaClient();
  MtaClient(const MtaClient&) = delete;
  MtaClient& operator=(const MtaClient&) = delete;

  // The greeting; code 0 when nobody is there.
  MtaReply connect(const std::string& host, std::uint16_t port);
  MtaReply command(const std::string& line);
  // Content as it is, dots doubled, with the final dot.
  MtaReply content(const std::string& message);
  void close();

 private:
  MtaReply read_reply();
  bool send(std::string_view bytes);
  int fd_ = -1;
  std::string buffer_;
};

}  // namespace sluice::app
