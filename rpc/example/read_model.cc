// Walks over a model once, and reads every weight where the daemon has decoded it: nothing is
// copied.
#include <ecf8/client.h>

#include <cstdint>
#include <cstdio>

absl::Status Walk(const ecf8::Client& client, const char* name) {
  absl::StatusOr<ecf8::ModelDescription> model = client.Describe(name);
  if (!model.ok()) return model.status();
  ecf8::SessionOptions options;
  options.model = name;
  options.digest = model->model.digest;  // these weights or an error
  for (const ecf8::UnitInfo& unit : model->units) options.walk.push_back(unit.index);
  options.depth = 2;  // so many units are read and decoded ahead of us
  absl::StatusOr<ecf8::ClientSession> session = client.OpenSession(options);
  if (!session.ok()) return session.status();

  for (const uint32_t unit : options.walk) {
    absl::StatusOr<ecf8::Lease> lease = session->Acquire({unit});
    if (!lease.ok()) return lease.status();
    for (const ecf8::TensorInfo& tensor : lease->unit(0).tensors) {
      const absl::Span<const uint8_t> bytes = lease->tensor(tensor.name);
      unsigned long long sum = 0;
      for (const uint8_t byte : bytes) sum += byte;
      std::printf("%s %s %zu bytes, sum %llu\n", tensor.name.c_str(), tensor.dtype.c_str(),
                  bytes.size(), sum);
    }
    const absl::Status released = lease->Release();  // all that was read was right, or this says so
    if (!released.ok()) return released;
  }
  return absl::OkStatus();
}

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: read_model unix:PATH|HOST:PORT MODEL\n"), 2;
  absl::StatusOr<ecf8::Client> client = ecf8::Client::Connect(argv[1]);
  const absl::Status status = client.ok() ? Walk(*client, argv[2]) : client.status();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
