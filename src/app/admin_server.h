// AdminServer: HTTP on loopback or a unix socket (admin.listen): metrics, health and the page. It only
// shows: GET and HEAD, nothing that changes anything.
//
// A browser on the same host is not trusted: requests that name another host than this one (DNS
// rebinding) or come from another site are refused, and the page may load nothing from elsewhere.
//
// Somebody who opens connections and says nothing keeps no monitor out: of more than kMaxConnections
// the one that has been silent longest is cut.
//
// Threads: pages are made on the server's own threads, two at a time; they must not throw.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "app/admin_connections.h"
#include "base/result.h"
#include "milter/listener.h"

struct MHD_Daemon;

namespace sluice::app {

struct AdminPage {
  unsigned status = 200;
  std::string type = "application/json";
  std::string body;
};
using AdminArguments = std::map<std::string, std::string>;  // of the query
using AdminPages = std::map<std::string, std::function<AdminPage(const AdminArguments&)>, std::less<>>;

class AdminServer {
 public:
  static constexpr unsigned kMaxConnections = 64;
  static constexpr unsigned kIdleSeconds = 15;

  // A unix socket has mode 0660. Errors: Config for a place that others can reach, Temporary for one
  // that is taken.
  static Result<std::unique_ptr<AdminServer>> open(const milter::ListenSpec& place, AdminPages pages);
  ~AdminServer();

 private:
  AdminServer(AdminPages pages, milter::Listener listener);
  AdminPages pages_;
  milter::Listener listener_;
  AdminConnections connections_{kMaxConnections};
  MHD_Daemon* daemon_ = nullptr;
};

// Whether a Host field names this machine's loopback, or there is none (unix sockets).
bool is_own_host(std::string_view host);

}  // namespace sluice::app
