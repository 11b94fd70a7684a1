// The field's standard reflection service, from our own generated descriptors: nothing is read from disk.
import { create, type DescFile, type DescService, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type * as grpc from "@grpc/grpc-js";
import { grpcCode } from "../contract/errors.ts";
import { definitionOf } from "../contract/grpc.ts";
import {
  ServerReflectionResponseSchema as Response,
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";

type Answer = Exclude<
  NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>,
  { case: undefined }
>;

/** Adds reflection of these services, and of itself, to a server. */
export function serveReflection(server: grpc.Server, services: readonly DescService[]): void {
  const all = [...services, ServerReflection];
  const files = new Map<string, DescFile>();
  for (const service of all) collect(service.file, files);
  const symbols = new Map<string, DescFile>();
  for (const file of files.values()) for (const name of namesIn(file)) symbols.set(name, file);

  const answerTo = ({ messageRequest: asked }: ServerReflectionRequest): Answer => {
    switch (asked.case) {
      case "listServices":
        return { case: "listServicesResponse", value: { service: all.map(({ typeName }) => ({ name: typeName })) } };
      case "fileByFilename":
        return described(files.get(asked.value), asked.value);
      case "fileContainingSymbol":
        return described(symbols.get(asked.value), asked.value);
      default:
        return problem(grpcCode.unimplemented, "extensions are not told");
    }
  };

  server.addService(definitionOf(ServerReflection), {
    serverReflectionInfo(wire: grpc.ServerDuplexStream<ServerReflectionRequest, unknown>) {
      wire.on("data", (request) => {
        wire.write(
          create(Response, { validHost: request.host, originalRequest: request, messageResponse: answerTo(request) }),
        );
      });
      wire.on("end", () => wire.end());
    },
  });
}

/** The file and all it imports, so that a client needs one question. */
function described(file: DescFile | undefined, name: string): Answer {
  if (!file) return problem(grpcCode.notFound, `${name} is not known`);
  const files = collect(file, new Map());
  const fileDescriptorProto = [...files.values()].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function problem(errorCode: number, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

function collect(file: DescFile, found: Map<string, DescFile>): Map<string, DescFile> {
  if (found.has(file.proto.name)) return found;
  found.set(file.proto.name, file);
  for (const dependency of file.dependencies) collect(dependency, found);
  return found;
}

function namesIn(file: DescFile): string[] {
  const names: string[] = [];
  for (const service of file.services) {
    names.push(service.typeName, ...service.methods.map(({ name }) => `${service.typeName}.${name}`));
  }
  const nested = (
    messages: readonly {
      typeName: string;
      nestedMessages: readonly never[];
      nestedEnums: readonly { typeName: string }[];
    }[],
  ) => {
    for (const message of messages) {
      names.push(message.typeName, ...message.nestedEnums.map(({ typeName }) => typeName));
      nested(message.nestedMessages);
    }
  };
  nested(file.messages as never);
  names.push(...file.enums.map(({ typeName }) => typeName), ...file.extensions.map(({ typeName }) => typeName));
  return names;
}
