// The service that the gRPC-Web peers speak, without generated code: test.Echo, whose only message is Word {text = 1, count = 2}.
import { create, createFileRegistry } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

const field = (name, number, type) => ({ name, jsonName: name, number, type, label: 1 });
const method = (name, serverStreaming = false) => ({ name, inputType: '.test.Word', outputType: '.test.Word', serverStreaming });
const file = create(FileDescriptorProtoSchema, {
  name: 'echo.proto', package: 'test', syntax: 'proto3',
  messageType: [{ name: 'Word', field: [field('text', 1, 9), field('count', 2, 5)] }],
  service: [{ name: 'Echo', method: [method('Unary'), method('Many', true), method('Fails'), method('FailsLate', true)] }],
});
const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
export const Echo = registry.getService('test.Echo');
export const Word = registry.getMessage('test.Word');
