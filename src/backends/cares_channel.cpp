#include "backends/cares_channel.h"

#include <ares.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "backends/dns_message.h"

namespace sluice::backends {

struct CaresChannel::State {
  ares_channel channel = nullptr;
  int wake_fd = -1;
  std::map<ares_socket_t, short> sockets;  // what c-ares waits for on each of its sockets
  bool closing = false;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    closing = true;
    if (channel != nullptr) ares_destroy(channel);
    if (wake_fd >= 0) close(wake_fd);
  }
};

namespace {

// ares_library_init() is not safe against itself; a static is made once.
int initialise_library() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  return status;
}

struct Sent {
  bool* closing;
  CaresChannel::Done done;
};

TransportStatus transport_status(int status) {
  if (status == ARES_SUCCESS) return TransportStatus::Reply;
  return status == ARES_ETIMEOUT ? TransportStatus::Timeout : TransportStatus::Failed;
}

extern "C" void on_reply(void* argument, int status, int, unsigned char* bytes, int length) {
  const std::unique_ptr<Sent> sent(static_cast<Sent*>(argument));
  if (*sent->closing) return;
  const TransportStatus seen = transport_status(status);
  sent->done(seen, seen == TransportStatus::Reply
                       ? std::string_view(reinterpret_cast<const char*>(bytes),
                                          static_cast<std::size_t>(length))
                       : std::string_view{});
}

extern "C" void on_socket_state(void* argument, ares_socket_t fd, int readable, int writable) {
  auto& sockets = *static_cast<std::map<ares_socket_t, short>*>(argument);
  const int events = (readable != 0 ? POLLIN : 0) | (writable != 0 ? POLLOUT : 0);
  if (events == 0) {
    sockets.erase(fd);
  } else {
    sockets[fd] = static_cast<short>(events);
  }
}

std::string joined(const std::vector<std::string>& servers) {
  std::string csv;
  for (const std::string& server : servers) csv += (csv.empty() ? "" : ",") + server;
  return csv;
}

}  // namespace

CaresChannel::CaresChannel(std::unique_ptr<State> state) : state_(std::move(state)) {}
CaresChannel::~CaresChannel() = default;

Result<std::unique_ptr<CaresChannel>> CaresChannel::open(const Options& options) {
  if (const int status = initialise_library(); status != ARES_SUCCESS)
    return permanent(ares_strerror(status));
  auto state = std::make_unique<State>();
  ares_options wanted{};
  // With several servers SERVFAIL and REFUSED of one mean: ask the next. Of a single one they are
  // the answer.
  wanted.flags = ARES_FLAG_EDNS | (options.servers.size() == 1 ? ARES_FLAG_NOCHECKRESP : 0);
  wanted.ednspsz = static_cast<int>(kEdnsUdpBytes);
  wanted.timeout = static_cast<int>(options.timeout.count());
  wanted.tries = options.tries;
  wanted.sock_state_cb = on_socket_state;
  wanted.sock_state_cb_data = &state->sockets;
  const int status = ares_init_options(&state->channel, &wanted,
                                       ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS |
                                           ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
  if (status != ARES_SUCCESS) {
    state->channel = nullptr;
    return config_error(std::string("no DNS: ") + ares_strerror(status));
  }
  if (!options.servers.empty()) {
    const std::string csv = joined(options.servers);
    if (ares_set_servers_ports_csv(state->channel, csv.c_str()) != ARES_SUCCESS) {
      return config_error("DNS servers '" + csv + "': expected ADDRESS or ADDRESS:PORT");
    }
  }
  state->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (state->wake_fd < 0) return temporary("no DNS: out of file descriptors");
  return std::unique_ptr<CaresChannel>(new CaresChannel(std::move(state)));
}

void CaresChannel::send(const std::string& query, Done done) {
  auto sent = std::make_unique<Sent>(Sent{&state_->closing, std::move(done)});
  ares_send(state_->channel, reinterpret_cast<const unsigned char*>(query.data()),
            static_cast<int>(query.size()), on_reply, sent.release());
}

void CaresChannel::run_once(std::chrono::milliseconds longest) {
  const long milliseconds = std::max<long>(0, longest.count());
  timeval limit{milliseconds / 1000, milliseconds % 1000 * 1000};
  timeval until{};
  const timeval* const next = ares_timeout(state_->channel, &limit, &until);
  // Rounded up: waking a part of a millisecond early would only turn the loop.
  const auto wait = static_cast<int>(next->tv_sec * 1000 + (next->tv_usec + 999) / 1000);

  std::vector<pollfd> polled{{state_->wake_fd, POLLIN, 0}};
  for (const auto& [fd, events] : state_->sockets) polled.push_back({fd, events, 0});
  const int ready = poll(polled.data(), polled.size(), wait);
  if (ready > 0 && polled[0].revents != 0) {
    std::uint64_t count = 0;
    while (read(state_->wake_fd, &count, sizeof count) > 0) {
    }
  }
  bool processed = false;
  for (std::size_t i = 1; ready > 0 && i < polled.size(); ++i) {
    const short seen = polled[i].revents;
    if (seen == 0) continue;
    const bool broken = (seen & (POLLERR | POLLHUP | POLLNVAL)) != 0;
    ares_process_fd(state_->channel,
                    broken || (seen & POLLIN) != 0 ? polled[i].fd : ARES_SOCKET_BAD,
                    (seen & POLLOUT) != 0 ? polled[i].fd : ARES_SOCKET_BAD);
    processed = true;
  }
  if (!processed) ares_process_fd(state_->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void CaresChannel::wake() {
  const std::uint64_t one = 1;
  // Fails only when it is awake already.
  [[maybe_unused]] const auto written = write(state_->wake_fd, &one, sizeof one);
}

}  // namespace sluice::backends
