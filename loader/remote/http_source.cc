#include "loader/remote/http_source.h"

namespace ecf8 {

uint64_t HttpSource::Start(ObjectRead read) {
  HttpRequest request = layout_->RequestFor(read.path);
  request.range = HttpRange{read.offset_bytes, read.out.size()};
  request.out = read.out;
  return client_->Start(std::move(request));
}

std::optional<ObjectReadEnd> HttpSource::Next() {
  std::optional<HttpEnd> end = client_->Next();
  if (!end) return std::nullopt;
  return ObjectReadEnd{end->id, std::move(end->status), end->object_size_bytes};
}

}  // namespace ecf8
