// The control socket: how `sluice status`, `reload` and the like talk to the running service.
// One JSON object a line each way, one request a connection:
//   {"command":"status","arguments":{}}  ->  {"exit":0,"text":"…","data":{…}}
// The socket is a unix socket, 0660: root and the service's group.
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "backends/event_loop.h"
#include "base/result.h"

namespace sluice::app {

inline constexpr std::size_t kMaxControlRequest = 64 * 1024;  // octets, with the newline
inline constexpr std::size_t kMaxControlClients = 32;         // a further one replaces the oldest
inline constexpr std::chrono::seconds kControlPatience{30};   // for a request; for the answer taken

struct ControlReply {
  int exit = 0;             // of the command, sysexits
  std::string text;         // for people
  std::string json = "{}";  // for scripts (--json)
};

// Given the arguments as JSON text.
using ControlCommand = std::function<ControlReply(const nlohmann::json& arguments)>;

using ControlCommands = std::map<std::string, ControlCommand>;

// The answer to one request line, as JSON without newline. Whatever the line is, it is an answer.
std::string answer_control_request(const ControlCommands& commands, const std::string& line);

// Commands run on a thread of its own, one at a time. A client that says nothing or does not take
// its answer holds up nobody else.
class ControlServer {
 public:
  // Takes requests until destroyed. Error{Config}: no path for a socket; Temporary: it cannot be
  // made.
  static Result<std::unique_ptr<ControlServer>> open(const std::string& path,
                                                     ControlCommands commands);
  ~ControlServer();

 private:
  class Desk;
  ControlServer(std::unique_ptr<backends::EventLoop> loop, std::unique_ptr<Desk> desk);
  std::unique_ptr<backends::EventLoop> loop_;
  std::unique_ptr<Desk> desk_;
};

// Asks the service. Cause::Temporary when nobody answers there.
Result<ControlReply> ask_service(const std::string& path, const std::string& command,
                                 const nlohmann::json& arguments);

}  // namespace sluice::app
