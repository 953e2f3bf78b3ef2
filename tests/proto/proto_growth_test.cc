// v1 of the wire contract and of the manifest only grows. v1.golden.binpb holds the descriptors as
// they were published; whatever is in it must still be there, with the same number and type. After
// an addition, record it:
//   cd proto && protoc -I. --descriptor_set_out=../tests/proto/v1.golden.binpb
//     ecf8/v1/weights.proto ecf8/v1/status.proto ecf8/v1/recording.proto ecf8/v1/session.proto
//     ecf8/v1/control.proto ecf8/v1/models.proto ecf8/v1/form.proto ecf8/v1/files.proto
//     ecf8/v1/rpc_status.proto ecf8/v1/error.proto ecf8/manifest/v1/manifest.proto
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <fstream>
#include <string>
#include <vector>

#include "ecf8/manifest/v1/manifest.pb.h"
#include "ecf8/v1/control.pb.h"
#include "ecf8/v1/error.pb.h"
#include "ecf8/v1/files.pb.h"
#include "ecf8/v1/form.pb.h"
#include "ecf8/v1/models.pb.h"
#include "ecf8/v1/recording.pb.h"
#include "ecf8/v1/rpc_status.pb.h"
#include "ecf8/v1/session.pb.h"
#include "ecf8/v1/status.pb.h"
#include "ecf8/v1/weights.pb.h"
#include "gtest/gtest.h"

namespace ecf8 {
namespace {

using google::protobuf::DescriptorProto;
using google::protobuf::EnumDescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;
using google::protobuf::ServiceDescriptorProto;

// The element of `list` with `wanted`'s name, or null.
template <typename List, typename Item>
const Item* Find(const List& list, const Item& wanted) {
  for (const Item& item : list) {
    if (item.name() == wanted.name()) return &item;
  }
  return nullptr;
}

void CheckEnum(const EnumDescriptorProto& golden, const EnumDescriptorProto* now,
               const std::string& where, std::vector<std::string>* broken) {
  if (now == nullptr) return broken->push_back(where + " is gone");
  for (const auto& value : golden.value()) {
    const auto* current = Find(now->value(), value);
    if (current == nullptr || current->number() != value.number()) {
      broken->push_back(where + "." + value.name() + " is gone or renumbered");
    }
  }
}

void CheckMessage(const DescriptorProto& golden, const DescriptorProto* now,
                  const std::string& where, std::vector<std::string>* broken) {
  if (now == nullptr) return broken->push_back(where + " is gone");
  for (const FieldDescriptorProto& field : golden.field()) {
    const FieldDescriptorProto* current = Find(now->field(), field);
    if (current == nullptr || current->number() != field.number() ||
        current->type() != field.type() || current->label() != field.label() ||
        current->type_name() != field.type_name()) {
      broken->push_back(where + "." + field.name() + " is gone, renumbered or of another type");
    }
  }
  for (const DescriptorProto& nested : golden.nested_type()) {
    CheckMessage(nested, Find(now->nested_type(), nested), where + "." + nested.name(), broken);
  }
  for (const EnumDescriptorProto& nested : golden.enum_type()) {
    CheckEnum(nested, Find(now->enum_type(), nested), where + "." + nested.name(), broken);
  }
}

void CheckService(const ServiceDescriptorProto& golden, const ServiceDescriptorProto* now,
                  const std::string& where, std::vector<std::string>* broken) {
  if (now == nullptr) return broken->push_back(where + " is gone");
  for (const auto& method : golden.method()) {
    const auto* current = Find(now->method(), method);
    if (current == nullptr || current->input_type() != method.input_type() ||
        current->output_type() != method.output_type() ||
        current->client_streaming() != method.client_streaming() ||
        current->server_streaming() != method.server_streaming()) {
      broken->push_back(where + "." + method.name() + " is gone or has another signature");
    }
  }
}

// In whichever file of the package it is: fields name it by the package alone.
const EnumDescriptorProto* FindEnum(const FileDescriptorSet& set, const std::string& package,
                                    const EnumDescriptorProto& wanted) {
  for (const FileDescriptorProto& file : set.file()) {
    const EnumDescriptorProto* const found =
        file.package() == package ? Find(file.enum_type(), wanted) : nullptr;
    if (found != nullptr) return found;
  }
  return nullptr;
}

// What of `golden` is no longer so in `now`, a line each.
std::vector<std::string> Broken(const FileDescriptorSet& golden, const FileDescriptorSet& now) {
  std::vector<std::string> broken;
  for (const FileDescriptorProto& file : golden.file()) {
    const FileDescriptorProto* current = Find(now.file(), file);
    if (current == nullptr || current->package() != file.package()) {
      broken.push_back(file.name() + " is gone or in another package");
      continue;
    }
    for (const DescriptorProto& message : file.message_type()) {
      CheckMessage(message, Find(current->message_type(), message), message.name(), &broken);
    }
    for (const EnumDescriptorProto& item : file.enum_type()) {
      CheckEnum(item, FindEnum(now, file.package(), item), item.name(), &broken);
    }
    for (const ServiceDescriptorProto& service : file.service()) {
      CheckService(service, Find(current->service(), service), service.name(), &broken);
    }
  }
  return broken;
}

FileDescriptorSet Golden() {
  FileDescriptorSet set;
  std::ifstream file(ECF8_SOURCE_DIR "/tests/proto/v1.golden.binpb", std::ios::binary);
  EXPECT_TRUE(set.ParseFromIstream(&file));
  EXPECT_EQ(set.file_size(), 11);
  return set;
}

FileDescriptorSet Now() {
  FileDescriptorSet set;
  for (const auto* descriptor :
       {v1::FetchRequest::descriptor(), v1::GetStatusRequest::descriptor(),
        v1::RecordAccessesRequest::descriptor(), v1::OpenSession::descriptor(),
        v1::PreloadRequest::descriptor(), v1::AddModelRequest::descriptor(),
        v1::ReadFileRequest::descriptor(), v1::RpcStatus::descriptor(),
        v1::ErrorDetail::descriptor(), manifest::v1::Manifest::descriptor()}) {
    descriptor->file()->CopyTo(set.add_file());
  }
  v1::Form_descriptor()->file()->CopyTo(set.add_file());
  return set;
}

TEST(ProtoGrowth, NothingPublishedIsGoneOrRenumbered) {
  EXPECT_EQ(Broken(Golden(), Now()), std::vector<std::string>());
}

TEST(ProtoGrowth, TheCheckSeesEachKindOfBreak) {
  const auto break_one = [](void (*change)(FileDescriptorProto&)) {
    FileDescriptorSet now = Now();
    change(*now.mutable_file(0));
    return Broken(Golden(), now).size();
  };
  EXPECT_EQ(break_one([](FileDescriptorProto&) {}), 0);
  EXPECT_EQ(break_one([](FileDescriptorProto& f) { f.set_package("ecf8.v2"); }), 1);
  EXPECT_EQ(
      break_one([](FileDescriptorProto& f) { f.mutable_message_type(0)->set_name("Renamed"); }), 1);
  EXPECT_EQ(break_one([](FileDescriptorProto& f) {
              f.mutable_message_type(1)->mutable_field(0)->set_number(99);
            }),
            1);
  EXPECT_EQ(break_one([](FileDescriptorProto& f) {
              f.mutable_enum_type(0)->mutable_value(1)->set_number(99);
            }),
            1);
  EXPECT_EQ(break_one([](FileDescriptorProto& f) {
              f.mutable_service(0)->mutable_method(0)->set_server_streaming(true);
            }),
            1);
}

}  // namespace
}  // namespace ecf8
