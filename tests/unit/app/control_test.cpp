#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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
  CHECK(ask_service(place.path, "echo", {{"word", 5}})->exit == 70);
}

TEST_CASE("control: garbage and clients that go away leave the server standing") {
  Place place;
  std::map<std::string, ControlCommand> commands;
  commands["ping"] = [](const nlohmann::json&) { return ControlReply{0, "pong", "{}"}; };
  auto server = ControlServer::open(place.path, commands);
  REQUIRE(server.has_value());
  for (const std::string& bytes : std::vector<std::string>{std::string("\0\xff\n", 3), std::string(100000, 0x5b), std::string()}) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    place.path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    [[maybe_unused]] const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::close(fd);
  }
  CHECK(ask_service(place.path, "ping", nlohmann::json::object())->text == "pong");
}

TEST_CASE("control: nobody there is a temporary error") {
  const auto reply = ask_service("/tmp/sluice-nobody-here.sock", "status", nlohmann::json::object());
  REQUIRE_FALSE(reply.has_value());
  CHECK(reply.error().cause == Cause::Temporary);
}

}  // namespace sluice::app
