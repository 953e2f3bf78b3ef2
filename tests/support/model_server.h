// A web server with faults on command, in a process of its own: tests/support/model_server.py.
#ifndef ECF8_TESTS_SUPPORT_MODEL_SERVER_H_
#define ECF8_TESTS_SUPPORT_MODEL_SERVER_H_

#include <string>
#include <vector>

#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace ecf8::testing {

// Serves the files of a directory on 127.0.0.1 from construction to destruction.
class ModelServer {
 public:
  // `options`: further ones of the script's.
  explicit ModelServer(const std::string& directory, const std::vector<std::string>& options = {});

  int port() const { return port_; }
  // "http://127.0.0.1:PORT/PATH".
  std::string Url(const std::string& path = "", const std::string& scheme = "http") const;

  // From now on these faults, as the script's head describes them, and no others.
  void SetFaults(const std::vector<std::string>& lines);

  // The requests so far, each as "METHOD PATH RANGE AUTHORIZATION".
  std::vector<std::string> Log() const;

 private:
  TempDir directory_;
  Subprocess process_;
  int port_ = 0;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_MODEL_SERVER_H_
