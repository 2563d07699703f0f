// policies enforces NetworkPolicies on this machine's node by the library of kube-network-policies. It takes packets
// from a queue of the kernel's; whoever starts it sends new connections there (tests/e2e/enforcing.py).
package main

import (
	"context"
	"flag"
	"log"
	"os/signal"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

func main() {
	klog.InitFlags(nil)
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	node := flag.String("node", "", "name of the node")
	queue := flag.Int("queue", 100, "number of the queue")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal("policies: ", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal("policies: ", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	known := informers.NewSharedInformerFactory(client, 0)
	// Addresses come from the API server. containerd's plugin interface, which it also asks, is not there; switching that
	// off by NRIdisabled makes version 0.8.0 die at the first address that is not a pod's.
	settings := networkpolicy.Config{NodeName: *node, QueueID: *queue}
	controller, err := networkpolicy.NewController(
		client,
		known.Networking().V1().NetworkPolicies(),
		known.Core().V1().Namespaces(),
		known.Core().V1().Pods(),
		nil, nil, nil, nil,
		settings,
	)
	if err != nil {
		log.Fatal("policies: ", err)
	}
	known.Start(ctx.Done())
	if err := controller.Run(ctx); err != nil {
		log.Fatal("policies: ", err)
	}
}
