// SPDX-License-Identifier: Apache-2.0

// segmentio/kafka-go for run.py: see adapter.py for the form of commands and answers.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
)

const poll = 250 * time.Millisecond

type record struct {
	Partition int         `json:"partition"`
	Offset    int64       `json:"offset"`
	Timestamp *int64      `json:"timestamp"`
	Key       []byte      `json:"key"`
	Value     []byte      `json:"value"`
	Headers   [][2]string `json:"headers"` // name, base64
}

type command struct {
	Do, Topic, Codec, Group      string
	Partitions, Partition, Count int
	Offset                       int64
	Timestamp                    *int64
	Records                      []record
}

type answer struct {
	Records []record `json:"records"`
	Error   string   `json:"error,omitempty"`
}

var (
	address  string
	member   *kafka.Reader
	received []kafka.Message // those that a commit would cover
	codecs   = map[string]kafka.Compression{
		"none": 0, "gzip": compress.Gzip, "snappy": compress.Snappy, "lz4": compress.Lz4, "zstd": compress.Zstd}
)

func recordOf(message kafka.Message) record {
	milliseconds := message.Time.UnixMilli()
	item := record{message.Partition, message.Offset, &milliseconds, message.Key, message.Value, [][2]string{}}
	for _, header := range message.Headers {
		item.Headers = append(item.Headers, [2]string{header.Key, base64.StdEncoding.EncodeToString(header.Value)})
	}
	return item
}

func create(c command) error {
	client := kafka.Client{Addr: kafka.TCP(address)}
	response, err := client.CreateTopics(context.Background(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: c.Topic, NumPartitions: c.Partitions, ReplicationFactor: 1}}})
	if err != nil {
		return err
	}
	return response.Errors[c.Topic]
}

func produce(c command) error {
	writer := kafka.Writer{Addr: kafka.TCP(address), Topic: c.Topic, RequiredAcks: kafka.RequireAll,
		Compression: codecs[c.Codec],
		Transport:   &kafka.Transport{}, // its own, for the shared one remembers brokers that were stopped
		BatchBytes:  1 << 22, BatchTimeout: 5 * time.Millisecond, AllowAutoTopicCreation: true,
		Balancer: kafka.BalancerFunc(func(message kafka.Message, _ ...int) int { return message.WriterData.(int) })}
	messages := []kafka.Message{}
	for _, item := range c.Records {
		message := kafka.Message{Key: item.Key, Value: item.Value, WriterData: item.Partition}
		if item.Timestamp != nil {
			message.Time = time.UnixMilli(*item.Timestamp)
		}
		for _, header := range item.Headers {
			data, err := base64.StdEncoding.DecodeString(header[1])
			if err != nil {
				return err
			}
			message.Headers = append(message.Headers, kafka.Header{Key: header[0], Value: data})
		}
		messages = append(messages, message)
	}
	if err := writer.WriteMessages(context.Background(), messages...); err != nil {
		return err
	}
	return writer.Close()
}

func read(c command) (records []record, err error) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{address}, Topic: c.Topic, Partition: c.Partition,
		MaxBytes: 1 << 22, MaxWait: poll})
	defer reader.Close()
	if c.Timestamp != nil {
		err = reader.SetOffsetAt(context.Background(), time.UnixMilli(*c.Timestamp))
	} else {
		err = reader.SetOffset(c.Offset)
	}
	for err == nil && len(records) < c.Count {
		var message kafka.Message
		if message, err = reader.ReadMessage(context.Background()); err == nil {
			records = append(records, recordOf(message))
		}
	}
	return records, err
}

func join(c command) error {
	received = nil
	member = kafka.NewReader(kafka.ReaderConfig{Brokers: []string{address}, GroupID: c.Group, Topic: c.Topic,
		StartOffset: kafka.FirstOffset, HeartbeatInterval: 300 * time.Millisecond, MaxBytes: 1 << 22, MaxWait: poll,
		RebalanceTimeout: 10 * time.Second})
	return nil
}

func pollMember() (records []record, err error) {
	deadline, cancel := context.WithTimeout(context.Background(), poll)
	defer cancel()
	for {
		message, err := member.FetchMessage(deadline)
		if errors.Is(err, context.DeadlineExceeded) {
			return records, nil
		} else if err != nil {
			return records, err
		}
		records = append(records, recordOf(message))
		received = append(received, message)
	}
}

func run(c command) (records []record, err error) {
	switch c.Do {
	case "create":
		err = create(c)
	case "produce":
		err = produce(c)
	case "read":
		records, err = read(c)
	case "join":
		err = join(c)
	case "poll":
		records, err = pollMember()
	case "commit":
		err = member.CommitMessages(context.Background(), received...)
		received = nil
	case "leave":
		err = member.Close()
	default:
		err = fmt.Errorf("no such command: %s", c.Do)
	}
	return records, err
}

func main() {
	address = os.Args[1]
	commands, answers := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.Stdout)
	for {
		var c command
		if commands.Decode(&c) != nil {
			return
		}
		records, err := run(c)
		reply := answer{Records: append([]record{}, records...)}
		if err != nil {
			reply.Error = err.Error()
		}
		if answers.Encode(reply) != nil {
			return
		}
	}
}
