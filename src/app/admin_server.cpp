#include "app/admin_server.h"

#include <microhttpd.h>
#include <unistd.h>

#include <cstring>

#include "base/text.h"

namespace sluice::app {
namespace {

constexpr std::size_t kMaxArgument = 512;  // octets of one value of a query
constexpr unsigned kThreads = 2;
constexpr std::size_t kConnectionMemory = 32 * 1024;
// At its own cap the library accepts no more and lets a monitor wait for the timeouts of others: it is
// above ours for each thread alone, with room for those that were cut and not yet closed.
constexpr unsigned kLibraryConnections = 4 * AdminServer::kMaxConnections;

// What a browser may do with what it gets here: show it, and nothing else.
constexpr std::pair<const char*, const char*> kFields[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cache-Control", "no-store"}};

MHD_Result take_argument(void* into, MHD_ValueKind, const char* name, const char* value) {
  if (value == nullptr) value = "";
  const std::size_t size = std::min(std::strlen(value), kMaxArgument);
  (*static_cast<AdminArguments*>(into))[name] = std::string(value, size);
  return MHD_YES;
}

std::string_view field(MHD_Connection* connection, const char* name) {
  const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

MHD_Result send(MHD_Connection* connection, const AdminPage& page, const char* allow = nullptr) {
  MHD_Response* response = MHD_create_response_from_buffer(
      page.body.size(), const_cast<char*>(page.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, "Content-Type", page.type.c_str());
  for (const auto& [name, value] : kFields) MHD_add_response_header(response, name, value);
  if (allow != nullptr) MHD_add_response_header(response, "Allow", allow);
  const MHD_Result sent = MHD_queue_response(connection, page.status, response);
  MHD_destroy_response(response);
  return sent;
}

AdminPage plain(unsigned status, std::string text) {
  return {status, "text/plain; charset=utf-8", std::move(text)};
}

// What the library keeps for us with each connection.
struct Place {
  AdminConnections& all;
  AdminConnections::Place own;
};

// A connection was accepted, or is about to be closed.
void keep_account(void* connections, MHD_Connection* connection, void** context,
                  MHD_ConnectionNotificationCode code) {
  auto& all = *static_cast<AdminConnections*>(connections);
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    const auto* socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *context = new Place{all, all.begin(socket->connect_fd)};
  } else {
    const std::unique_ptr<Place> place(static_cast<Place*>(*context));
    if (place) all.end(place->own);
  }
}

void note_request(MHD_Connection* connection) {
  const auto* kept = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  if (const auto* place = static_cast<const Place*>(kept->socket_context)) place->all.asked(place->own);
}

MHD_Result answer(void* pages, MHD_Connection* connection, const char* url, const char* method,
                  const char*, const char*, std::size_t* upload, void** state) {
  static int begun;
  if (*state == nullptr) {  // the header has come; the body, if any, not yet
    *state = &begun;
    note_request(connection);
    return MHD_YES;
  }
  if (*upload != 0) {
    *upload = 0;
    return MHD_YES;
  }
  const std::string_view verb = method;
  if (verb != "GET" && verb != "HEAD") return send(connection, plain(405, "only GET\n"), "GET, HEAD");
  if (!is_own_host(field(connection, "Host")))
    return send(connection, plain(403, "this is not the host that the request names\n"));
  const std::string_view site = field(connection, "Sec-Fetch-Site");
  if (site == "cross-site" || site == "same-site")
    return send(connection, plain(403, "not for other sites\n"));
  const auto& all = *static_cast<const AdminPages*>(pages);
  const auto page = all.find(std::string_view(url));
  if (page == all.end()) return send(connection, plain(404, "nothing here\n"));
  AdminArguments arguments;
  MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &take_argument, &arguments);
  try {
    return send(connection, page->second(arguments));
  } catch (const std::exception& e) {
    return send(connection, plain(500, std::string("internal error: ") + e.what() + "\n"));
  }
}

}  // namespace

bool is_own_host(std::string_view host) {
  if (host.empty()) return true;
  std::string_view name = host;
  if (name.front() == '[') {
    name = name.substr(0, name.find(']') + 1);
  } else {
    name = name.substr(0, name.find(':'));
  }
  if (equal_folded(name, "localhost") || name == "[::1]") return true;
  const auto address = IpAddress::parse(name);
  return address && Network::parse("127.0.0.0/8")->contains(*address);
}

Result<std::unique_ptr<AdminServer>> AdminServer::open(const milter::ListenSpec& place,
                                                       AdminPages pages) {
  if (place.is_open_to_others())
    return config_error(place.to_string() + ": metrics are for loopback or a unix socket only");
  auto listener = milter::Listener::open(place);
  if (!listener) return tl::unexpected(listener.error());
  std::unique_ptr<AdminServer> server(new AdminServer(std::move(pages), std::move(*listener)));
  const int fd = server->listener_.release();
  server->daemon_ = MHD_start_daemon(
      MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, 0, nullptr, nullptr, &answer, &server->pages_,
      MHD_OPTION_LISTEN_SOCKET, static_cast<MHD_socket>(fd), MHD_OPTION_THREAD_POOL_SIZE, kThreads,
      MHD_OPTION_CONNECTION_LIMIT, kLibraryConnections, MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds,
      MHD_OPTION_NOTIFY_CONNECTION, &keep_account, &server->connections_,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory, MHD_OPTION_END);
  if (server->daemon_ == nullptr) {
    ::close(fd);
    return temporary(place.to_string() + ": the HTTP server does not start");
  }
  return server;
}

AdminServer::AdminServer(AdminPages pages, milter::Listener listener)
    : pages_(std::move(pages)), listener_(std::move(listener)) {}

AdminServer::~AdminServer() {
  listener_.remove_path();
  if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
}

}  // namespace sluice::app
