#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <csignal>

int main(int argc, char* argv[]) {
  std::signal(SIGPIPE,
              SIG_IGN);  // as in the programs: writing to a worker that has died is an error
  return Catch::Session().run(argc, argv);
}
