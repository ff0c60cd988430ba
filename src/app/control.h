// The control socket: how `sluice status`, `reload` and the like talk to the running service.
// One JSON object a line each way, one request a connection:
//   {"command":"status","arguments":{}}  ->  {"exit":0,"text":"…","data":{…}}
// The socket is a unix socket, 0660: root and the service's group.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <thread>

#include "base/result.h"

namespace sluice::app {

struct ControlReply {
  int exit = 0;             // of the command, sysexits
  std::string text;         // for people
  std::string json = "{}";  // for scripts (--json)
};

// Given the arguments as JSON text.
using ControlCommand = std::function<ControlReply(const nlohmann::json& arguments)>;

class ControlServer {
 public:
  // Takes requests on a thread of its own until destroyed. Commands run on that thread, one at a
  // time.
  static Result<std::unique_ptr<ControlServer>> open(
      const std::string& path, std::map<std::string, ControlCommand> commands);
  ~ControlServer();

 private:
  ControlServer(std::string path, int fd, int stop_fd,
                std::map<std::string, ControlCommand> commands);
  void serve();
  void answer(int client);
  std::string path_;
  int fd_, stop_fd_;
  std::map<std::string, ControlCommand> commands_;
  std::thread thread_;
};

// Asks the service. Cause::Temporary when nobody answers there.
Result<ControlReply> ask_service(const std::string& path, const std::string& command,
                                 const nlohmann::json& arguments);

}  // namespace sluice::app
