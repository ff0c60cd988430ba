#include "backends/redis_credentials.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "backends/redis_client.h"
#include "backends/redis_command.h"

using namespace sluice::backends;

namespace {

struct SecretFile {
  std::filesystem::path folder;
  SecretFile() {
    std::string pattern = std::filesystem::temp_directory_path() / "sluice-secret-XXXXXX";
    folder = ::mkdtemp(pattern.data());
  }
  ~SecretFile() { std::filesystem::remove_all(folder); }
  std::string path() const { return folder / "password"; }
  void write(const std::string& text, mode_t mode = 0600) const {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << text;
    ::chmod(path().c_str(), mode);
  }
  std::string refusal() const {
    const auto read = read_redis_password(path());
    REQUIRE_FALSE(read);
    REQUIRE(read.error().cause == sluice::Cause::Config);
    return read.error().what;
  }
};

}  // namespace

TEST_CASE("redis password: the file's one line, without its end") {
  const SecretFile file;
  file.write("s3cret\n");
  CHECK(*read_redis_password(file.path()) == "s3cret");
  file.write("s3cret\r\n", 0440);
  CHECK(*read_redis_password(file.path()) == "s3cret");
  file.write(" with blanks ");
  CHECK(*read_redis_password(file.path()) == " with blanks ");
}

TEST_CASE("redis password: a file that everybody may read is refused, and what cannot be one") {
  const SecretFile file;
  file.write("s3cret\n", 0644);
  CHECK(file.refusal().find("every user may read it") != std::string::npos);
  for (const std::string& text : {std::string(), std::string("\n"), std::string("a\nb\n"),
                                  std::string(kMaxRedisSecret + 1, 'x')}) {
    file.write(text);
    CHECK_FALSE(file.refusal().empty());
  }
  std::filesystem::remove(file.path());
  CHECK_FALSE(file.refusal().empty());
  std::filesystem::create_directory(file.path());
  CHECK(file.refusal().find("no plain file") != std::string::npos);
  std::filesystem::remove(file.path());
  REQUIRE(::mkfifo(file.path().c_str(), 0600) == 0);
  CHECK(file.refusal().find("no plain file") != std::string::npos);
}

TEST_CASE("redis credentials: with a user or without") {
  const SecretFile file;
  file.write("pw");
  RedisCredentials credentials{"", file.path(), ""};
  REQUIRE(credentials.read());
  CHECK(credentials.auth_command() == redis_command({"AUTH", "pw"}));
  credentials.username = "sluice";
  file.write("changed");
  REQUIRE(credentials.read());
  CHECK(credentials.auth_command() == redis_command({"AUTH", "sluice", "changed"}));
}

TEST_CASE("redis client: a configuration that cannot be meant is refused") {
  const auto refusal = [](const RedisOptions& options) {
    const auto opened = open_redis_client(options);
    return opened ? std::string() : opened.error().what;
  };
  RedisOptions options;
  CHECK_FALSE(refusal(options).empty());
  options.servers = {"127.0.0.1:1"};
  options.cluster = {"127.0.0.1:1"};
  CHECK_FALSE(refusal(options).empty());
  options.cluster.clear();
  options.username = "sluice";
  CHECK(refusal(options) == "a username without a password_file");
  options.password_file = "/nonexistent";
  CHECK_FALSE(refusal(options).empty());
  options = {};
  options.sentinels = {"127.0.0.1:1"};
  CHECK(refusal(options) == "sentinels and master go together");
  options.master = "mail";
  CHECK(refusal(options).empty());
}
