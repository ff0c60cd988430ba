#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>

#include "app/control.h"

namespace sluice::app {

namespace {

struct Place {
  Place() {
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    path = folder + "/control.sock";
  }
  ~Place() {
    ::unlink(path.c_str());
    ::rmdir(folder.c_str());
  }
  std::string folder = "/tmp/sluice-control-XXXXXX", path;
};

int connect_to(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

}  // namespace

TEST_CASE("control: a command with its arguments is answered, an unknown one refused") {
  Place place;
  std::map<std::string, ControlCommand> commands;
  commands["echo"] = [](const nlohmann::json& a) { return ControlReply{3, a.value("word", ""), "{\"a\":1}"}; };
  commands["fall"] = [](const nlohmann::json&) -> ControlReply { throw std::runtime_error("no"); };
  auto server = ControlServer::open(place.path, commands);
  REQUIRE(server.has_value());
  struct stat mode {};
  REQUIRE(::stat(place.path.c_str(), &mode) == 0);
  CHECK((mode.st_mode & 0777) == 0660);
  const auto reply = ask_service(place.path, "echo", {{"word", "hello\nworld"}});
  REQUIRE(reply.has_value());
  CHECK(reply->exit == 3);
  CHECK(reply->text == "hello\nworld");
  CHECK(reply->json == "{\"a\":1}");
  CHECK(ask_service(place.path, "nothing", nlohmann::json::object())->exit == 64);
  CHECK(ask_service(place.path, "fall", nlohmann::json::object())->exit == 70);
  CHECK(ask_service(place.path, "fall", nlohmann::json::object())->json == "{\"error\":\"internal error: no\"}");
  CHECK(ask_service(place.path, "echo", {{"word", 5}})->exit == 70);
}

TEST_CASE("control: garbage and clients that go away leave the server standing") {
  Place place;
  std::map<std::string, ControlCommand> commands;
  commands["ping"] = [](const nlohmann::json&) { return ControlReply{0, "pong", "{}"}; };
  auto server = ControlServer::open(place.path, commands);
  REQUIRE(server.has_value());
  for (const std::string& bytes : std::vector<std::string>{std::string("\0\xff\n", 3), std::string(100000, 0x5b), std::string()}) {
    const int fd = connect_to(place.path);
    [[maybe_unused]] const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::close(fd);
  }
  CHECK(ask_service(place.path, "ping", nlohmann::json::object())->text == "pong");
}

TEST_CASE("control: clients that say nothing, or take no answer, hold up nobody") {
  Place place;
  ControlCommands commands;
  commands["ping"] = [](const nlohmann::json&) { return ControlReply{0, "pong", "{}"}; };
  commands["long"] = [](const nlohmann::json&) { return ControlReply{0, std::string(8'000'000, 'x'), "{}"}; };
  auto server = ControlServer::open(place.path, commands);
  REQUIRE(server.has_value());
  std::vector<int> silent;
  for (const char* said : {"", "{\"command\":", "{\"command\":\"long\"}\n"}) {
    silent.push_back(connect_to(place.path));
    REQUIRE(::send(silent.back(), said, std::strlen(said), MSG_NOSIGNAL) >= 0);
  }
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) CHECK(ask_service(place.path, "ping", nlohmann::json::object())->text == "pong");
  CHECK(std::chrono::steady_clock::now() - begun < kControlPatience / 2);
  CHECK(ask_service(place.path, "long", nlohmann::json::object())->text.size() == 8'000'000);
  for (const int fd : silent) ::close(fd);
}

TEST_CASE("control: more clients than its cap push out the oldest, the newest are answered") {
  Place place;
  ControlCommands commands;
  commands["ping"] = [](const nlohmann::json&) { return ControlReply{0, "pong", "{}"}; };
  auto server = ControlServer::open(place.path, commands);
  REQUIRE(server.has_value());
  std::vector<int> silent;
  for (std::size_t i = 0; i < 3 * kMaxControlClients; ++i) silent.push_back(connect_to(place.path));
  CHECK(ask_service(place.path, "ping", nlohmann::json::object())->text == "pong");
  char byte = 0;
  CHECK(::recv(silent.front(), &byte, 1, 0) == 0);                               // closed
  CHECK(::recv(silent.back(), &byte, 1, MSG_DONTWAIT) == -1);                    // still waited for
  for (const int fd : silent) ::close(fd);
}

TEST_CASE("control: a request that never ends is answered at its cap") {
  Place place;
  auto server = ControlServer::open(place.path, {});
  REQUIRE(server.has_value());
  const int fd = connect_to(place.path);
  const std::string bytes(kMaxControlRequest, 'x');
  std::thread writer([&] { [[maybe_unused]] const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); });
  char answer[512] = {};
  REQUIRE(::recv(fd, answer, sizeof answer - 1, 0) > 0);
  CHECK(std::string(answer).find("no request") != std::string::npos);
  writer.join();
  ::close(fd);
}

TEST_CASE("control: a file at the path of the socket stays as it is") {
  Place place;
  std::ofstream(place.path) << "kept";
  const auto server = ControlServer::open(place.path, {});
  REQUIRE_FALSE(server.has_value());
  CHECK(server.error().cause == Cause::Config);
  std::string content;
  std::ifstream(place.path) >> content;
  CHECK(content == "kept");
}

TEST_CASE("control: nobody there is a temporary error") {
  const auto reply = ask_service("/tmp/sluice-nobody-here.sock", "status", nlohmann::json::object());
  REQUIRE_FALSE(reply.has_value());
  CHECK(reply.error().cause == Cause::Temporary);
}

}  // namespace sluice::app
